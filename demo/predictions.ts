/** What the network sees in the picture: a class to click on, and a second one to compare it with. */
import type { Prediction } from 'gradcam-webgpu';
import { h } from './dom.ts';

interface Calls {
  onExplain(classIndex: number): void;
  /** With undefined, the comparison ends. */
  onCompare(classIndex: number | undefined): void;
}

interface Row {
  readonly classIndex: number;
  readonly explain: HTMLButtonElement;
  readonly compare: HTMLButtonElement;
}

export class PredictionList {
  readonly #list: HTMLElement;
  readonly #calls: Calls;
  #shown: readonly Prediction[] = [];
  #rows: readonly Row[] = [];
  #explained: number | undefined;
  #other: number | undefined;

  constructor(list: HTMLElement, calls: Calls) {
    this.#list = list;
    this.#calls = calls;
  }

  show(predictions: readonly Prediction[]): void {
    // What is there already keeps the keyboard's place.
    const isSame = JSON.stringify(predictions) === JSON.stringify(this.#shown);
    if (isSame) return;
    this.#shown = predictions;
    this.#rows = predictions.map((prediction) => this.#row(prediction));
    this.#list.replaceChildren(...this.#rows.map(({ explain, compare }) => h('li', {}, explain, compare)));
    this.choose(this.#explained, this.#other);
  }

  /** Marks the class that is explained, and the one that it is compared with. */
  choose(explained: number | undefined, other: number | undefined): void {
    this.#explained = explained;
    this.#other = other;
    for (const { classIndex, explain, compare } of this.#rows) {
      explain.setAttribute('aria-pressed', String(classIndex === explained));
      compare.setAttribute('aria-pressed', String(classIndex === other));
      compare.disabled = classIndex === explained;
    }
  }

  #row(prediction: Prediction): Row {
    const { classIndex, probability } = prediction;
    const name = className(prediction);
    const bar = h('i');
    bar.style.transform = `scaleX(${probability})`;
    const explain = h(
      'button',
      { type: 'button', class: 'class', 'data-class': classIndex, title: name },
      h('span', { class: 'label' }, name),
      h('span', { class: 'probability' }, percentOf(probability)),
      h('span', { class: 'bar' }, bar),
    );
    explain.addEventListener('click', () => this.#calls.onExplain(classIndex));
    const compare = h(
      'button',
      { type: 'button', class: 'compare', title: `Compare with ${name}` },
      'vs',
      h('span', { class: 'visually-hidden' }, ` ${name}`),
    );
    compare.addEventListener('click', () => this.#calls.onCompare(classIndex === this.#other ? undefined : classIndex));
    return { classIndex, explain, compare };
  }
}

/** A class's name; its index where the model came without names. */
export function className({ label, classIndex }: { readonly label?: string; readonly classIndex: number }): string {
  return label ?? `class ${classIndex}`;
}

export function percentOf(probability: number): string {
  if (probability > 0 && probability < 0.001) return '< 0.1 %';
  return `${(100 * probability).toFixed(1)} %`;
}
