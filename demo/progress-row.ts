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

/** A screen reader hears of what is under way after a while, and then from time to time; of what is done, at once. */
const FIRST_SAID_MS = 1_000;
const SAID_AGAIN_MS = 10_000;

interface Calls {
  onStop(): void;
  /** Something for a screen reader to say. */
  say(text: string): void;
}

export class ProgressRow {
  readonly #bar = byId<HTMLProgressElement>('progress');
  readonly #text = byId('progress-text');
  readonly #stop = byId<HTMLButtonElement>('stop');
  readonly #say: Calls['say'];
  #saying: ReturnType<typeof setTimeout> | undefined;
  #panes = 1;
  /** Where the map can be stopped and gone on with, so far. */
  #settled = '';
  /** What the text says where nothing is waited for: of the map that is shown, or why there is none. */
  #outcome = '';
  /** Whether nothing else tells a screen reader of it: a map has its caption. */
  #isUnsaid = false;

  constructor({ onStop, say }: Calls) {
    this.#say = say;
    this.#stop.addEventListener('click', () => {
      if (this.#stop.ariaDisabled !== 'true') onStop();
    });
  }

  wait(pending: Pending): void {
    this.#text.textContent = WAITING[pending];
    this.#saying ??= setTimeout(() => this.#sayOn(), FIRST_SAID_MS);
  }

  begin(panes: number): void {
    this.#panes = panes;
    this.#settled = '';
    this.#bar.value = 0;
    this.#offerStop(true);
    this.wait('explanation');
  }

  progress(pane: number, share: number): void {
    this.#bar.value = (pane + share) / this.#panes;
  }

  step(pane: number, { samples, total, uncertainty }: StepRecord): void {
    this.progress(pane, samples / total);
    this.#settled = uncertainty === undefined ? '' : `, settled to ± ${percentOf(uncertainty)}`;
    this.#text.textContent = `${samples} of ${total} noisy copies${this.#settled}`;
  }

  done(pane: number, { options: { nSamples } }: RemoteExplanation): void {
    this.progress(pane, 1);
    if (pane < this.#panes - 1) return;
    const copies = nSamples === 1 ? '1 noisy copy' : `${nSamples} noisy copies`;
    this.#isUnsaid = false;
    this.#outcome = nSamples > 0 ? `${copies}${this.#settled}` : '';
  }

  /** @param shown what the map is of that is on the page all the same, if there is one */
  stopped(shown: string | undefined): void {
    this.#outcome = shown === undefined ? 'Stopped.' : `Stopped; still shown: ${shown}.`;
    this.#isUnsaid = true;
  }

  /** There is no map, and `why`: '' where one is on its way. */
  clear(why: string): void {
    this.#outcome = why;
    this.#isUnsaid = true;
  }

  end(): void {
    clearTimeout(this.#saying);
    this.#saying = undefined;
    this.#offerStop(false);
    this.#text.textContent = this.#outcome;
    if (this.#isUnsaid) this.#say(this.#outcome);
    this.#isUnsaid = false;
  }

  #sayOn(): void {
    this.#say(this.#text.textContent ?? '');
    this.#saying = setTimeout(() => this.#sayOn(), SAID_AGAIN_MS);
  }

  /** A button that is disabled would lose the keyboard's place. */
  #offerStop(isOffered: boolean): void {
    this.#stop.ariaDisabled = String(!isOffered);
  }
}
