/** How far the explanation is, how settled its map, and the button that ends it. */
import type { RemoteExplanation, StepRecord } from 'gradcam-webgpu/element';
import { byId } from './dom.ts';
import { percentOf } from './predictions.ts';
import type { Pending } from './session.ts';

const WAITING: Readonly<Record<Pending, string>> = {
  picture: 'Reading the picture …',
  model: 'Loading the model …',
  explanation: 'Explaining …',
};

export class ProgressRow {
  readonly #bar = byId<HTMLProgressElement>('progress');
  readonly #text = byId('progress-text');
  readonly #stop = byId<HTMLButtonElement>('stop');
  #panes = 1;
  /** Where the map can be stopped and gone on with, so far. */
  #settled = '';
  /** Whether the text says what is waited for. */
  #isWaiting = false;
  /** Why nothing can be made. */
  #obstacle = '';

  constructor(calls: { onStop(): void }) {
    this.#stop.addEventListener('click', () => calls.onStop());
  }

  wait(pending: Pending): void {
    this.#isWaiting = true;
    this.#text.textContent = WAITING[pending];
  }

  begin(panes: number): void {
    this.#panes = panes;
    this.#settled = '';
    this.#obstacle = '';
    this.#bar.value = 0;
    this.#stop.disabled = false;
    this.wait('explanation');
  }

  progress(pane: number, share: number): void {
    this.#bar.value = (pane + share) / this.#panes;
  }

  step(pane: number, { samples, total, uncertainty }: StepRecord): void {
    this.progress(pane, samples / total);
    this.#settled = uncertainty === undefined ? '' : `, settled to ± ${percentOf(uncertainty)}`;
    this.#say(`${samples} of ${total} noisy copies${this.#settled}`);
  }

  done(pane: number, { options: { nSamples } }: RemoteExplanation): void {
    this.progress(pane, 1);
    if (pane < this.#panes - 1) return;
    const copies = nSamples === 1 ? '1 noisy copy' : `${nSamples} noisy copies`;
    this.#say(nSamples > 0 ? `${copies}${this.#settled}` : '');
  }

  /** @param shown what the map is of that is on the page all the same, if there is one */
  stopped(shown: string | undefined): void {
    this.#bar.value = 0;
    this.#say(shown === undefined ? 'Stopped.' : `Stopped; still shown: ${shown}.`);
  }

  /** There is nothing that could make progress, and `why`. */
  clear(why: string): void {
    this.#bar.value = 0;
    this.#obstacle = why;
    this.#say(why);
    this.#stop.disabled = true;
  }

  end(): void {
    this.#stop.disabled = true;
    if (this.#isWaiting) this.#say(this.#obstacle);
  }

  #say(text: string): void {
    this.#isWaiting = false;
    this.#text.textContent = text;
  }
}
