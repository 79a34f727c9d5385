/** The one place where the page says that something went wrong, or has to be known. */
import { byId, h } from './dom.ts';
import type { Action, Message } from './words.ts';

/** Long enough to be read twice, in milliseconds. */
const PLAIN_MS = 8_000;

interface Calls {
  /** @param batch copies of the picture at once */
  fewerAtOnce(batch: number): void;
  again(): void;
}

export class Notice {
  readonly #element = byId('notice');
  #going: ReturnType<typeof setTimeout> | undefined;
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  showError({ text, detail, action }: Message): void {
    const parts: HTMLElement[] = [h('p', {}, text)];
    if (detail) parts.push(h('details', {}, h('summary', {}, 'What exactly'), h('p', { class: 'detail' }, detail)));
    if (action) {
      const { label, act } = this.#offer(action);
      const button = h('button', { type: 'button' }, label);
      button.addEventListener('click', () => {
        this.hide();
        act();
      });
      parts.push(h('div', { class: 'buttons' }, button));
    }
    this.#show('error', parts);
  }

  /** Goes by itself after a while, as an error does not. */
  say(text: string): void {
    this.#show('', [h('p', {}, text)]);
    this.#goLater();
  }

  /** What was said and is not so any more; something else stays. */
  takeBack(text: string): void {
    if (this.#element.querySelector('p')?.textContent === text) this.hide();
  }

  /** What was tried again is no failure any more. */
  hideError(): void {
    if (this.#element.classList.contains('error')) this.hide();
  }

  hide(): void {
    clearTimeout(this.#going);
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }

  #offer(action: Action): { readonly label: string; act(): void } {
    if (action === 'again') return { label: 'Try again', act: () => this.#calls.again() };
    if (action === 'reload') return { label: 'Reload the page', act: () => location.reload() };
    const { fewerAtOnce: batch } = action;
    return { label: `Try ${batch} at a time`, act: () => this.#calls.fewerAtOnce(batch) };
  }

  /** Not from under a hand or the keyboard. */
  #goLater(): void {
    this.#going = setTimeout(() => {
      if (this.#element.matches(':hover, :focus-within')) this.#goLater();
      else this.hide();
    }, PLAIN_MS);
  }

  #show(kind: 'error' | '', parts: readonly HTMLElement[]): void {
    clearTimeout(this.#going);
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close' }, '×');
    close.addEventListener('click', () => this.hide());
    this.#element.classList.toggle('error', kind === 'error');
    this.#element.replaceChildren(...parts, close);
    this.#element.hidden = false;
  }
}
