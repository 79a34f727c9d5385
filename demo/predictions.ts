/** What the network sees in the picture: a class to click on, and a second one to compare it with. */
import type { Prediction } from 'gradcam-webgpu';
import { h } from './dom.ts';

interface Calls {
  /** A class's name; undefined where the model came without names. */
  labelOf(classIndex: number): string | undefined;
  onExplain(classIndex: number): void;
  /** With undefined, the comparison ends. */
  onCompare(classIndex: number | undefined): void;
}

interface Row {
  readonly classIndex: number;
  readonly item: HTMLLIElement;
  readonly explain: HTMLButtonElement;
  readonly compare: HTMLButtonElement;
}

export class PredictionList {
  readonly #list: HTMLElement;
  readonly #calls: Calls;
  #shown: readonly Prediction[] = [];
  #rows: readonly Row[] = [];
  /** Rows of classes that are none of the predictions, below them. */
  #extraRows: readonly Row[] = [];
  /** The last of those that was explained: it stays, to be compared with. */
  #lastExtra: number | undefined;
  #explained: number | undefined;
  #other: number | undefined;

  constructor(list: HTMLElement, calls: Calls) {
    this.#list = list;
    this.#calls = calls;
  }

  /** Which of them are chosen, choose() says afterwards. */
  show(predictions: readonly Prediction[]): void {
    // What is there already keeps the keyboard's place.
    const isSame = JSON.stringify(predictions) === JSON.stringify(this.#shown);
    if (isSame) return;
    this.#shown = predictions;
    this.#rows = predictions.map((prediction) => this.#row(prediction));
    this.#extraRows = [];
    // What was chosen before was chosen among others.
    this.#lastExtra = undefined;
    this.#explained = undefined;
    this.#other = undefined;
    this.#list.replaceChildren(...this.#rows.map(({ item }) => item));
  }

  /** Marks the class that is explained, and the one that it is compared with. */
  choose(explained: number | undefined, other: number | undefined): void {
    this.#explained = explained;
    this.#other = other;
    this.#showExtra();
    for (const { classIndex, explain, compare } of [...this.#rows, ...this.#extraRows]) {
      explain.setAttribute('aria-pressed', String(classIndex === explained));
      compare.setAttribute('aria-pressed', String(classIndex === other));
      compare.disabled = classIndex === explained;
    }
  }

  /** A class that is chosen has a row, also where it is improbable. */
  #showExtra(): void {
    const isExtra = (index: number | undefined): index is number =>
      index !== undefined && !this.#shown.some(({ classIndex }) => classIndex === index);
    if (isExtra(this.#explained)) this.#lastExtra = this.#explained;
    const wanted = this.#shown.length > 0 ? [...new Set([this.#lastExtra, this.#other].filter(isExtra))] : [];
    const before = this.#extraRows;
    this.#extraRows = wanted.map(
      (classIndex) =>
        before.find((row) => row.classIndex === classIndex) ??
        this.#row({ classIndex, label: this.#calls.labelOf(classIndex) }),
    );
    for (const row of before) if (!this.#extraRows.includes(row)) row.item.remove();
    for (const row of this.#extraRows) if (!before.includes(row)) this.#list.append(row.item);
  }

  /** @param prediction without a probability for a class that is none of the most probable */
  #row(prediction: Pick<Prediction, 'classIndex' | 'label'> & Partial<Pick<Prediction, 'probability'>>): Row {
    const { classIndex, probability } = prediction;
    const name = className(prediction);
    const bar = h('i');
    bar.style.transform = `scaleX(${probability ?? 0})`;
    const explain = h(
      'button',
      { type: 'button', class: 'class', 'data-class': classIndex },
      h('span', { class: 'label' }, name),
      h('span', { class: 'probability' }, probability === undefined ? '' : percentOf(probability)),
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
    return { classIndex, item: h('li', {}, explain, compare), explain, compare };
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
