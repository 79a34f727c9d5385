/** How far the explanation is, how settled its map, and the button that ends it. */
import type { RemoteExplanation, StepRecord } from 'gradcam-webgpu/element';
import { byId } from './dom.ts';
import { percentOf } from './predictions.ts';

export class ProgressRow {
  readonly #bar = byId<HTMLProgressElement>('progress');
  readonly #text = byId('progress-text');
  readonly #stop = byId<HTMLButtonElement>('stop');
  #panes = 1;
  /** Where the map can be stopped and gone on with, so far. */
  #settled = '';

  constructor(calls: { onStop(): void }) {
    this.#stop.addEventListener('click', () => calls.onStop());
  }

  begin(panes: number): void {
    this.#panes = panes;
    this.#settled = '';
    this.#bar.value = 0;
    this.#text.textContent = 'Explaining …';
    this.#stop.disabled = false;
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
    this.#text.textContent = nSamples > 0 ? `${copies}${this.#settled}` : '';
  }

  /** There is nothing that could have made progress. */
  clear(): void {
    this.#bar.value = 0;
    this.#text.textContent = '';
    this.#stop.disabled = true;
  }

  end(): void {
    this.#stop.disabled = true;
    if (this.#text.textContent === 'Explaining …') this.#text.textContent = '';
  }
}
