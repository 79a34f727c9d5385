/**
 * The feature maps of the layer as a contact sheet, those that add most to the map first. Each is a switch: the map then shows
 * the sum of those that are on.
 */
import type { CombinedMaps, FilterContribution, SelectionOptions } from 'gradcam-webgpu';
import { h } from './dom.ts';

/** What the sheet asks of a result. */
export interface FeatureMaps {
  topFilters(k: number, within?: Pick<SelectionOptions, 'subset' | 'region'>): Promise<FilterContribution[]>;
  combine(selection: SelectionOptions): Promise<CombinedMaps>;
}

/** How many maps are drawn at first, and with each press of the button. */
const PAGE = 24;

export class ContactSheet {
  readonly #list: HTMLElement;
  readonly #more: HTMLButtonElement;
  readonly #onChoose: (filters: readonly number[]) => void;
  #maps: FeatureMaps | undefined;
  #count = 0;
  #ranked: readonly FilterContribution[] = [];
  #shown = 0;
  #chosen: readonly number[] = [];
  #buttons = new Map<number, HTMLButtonElement>();

  constructor(list: HTMLElement, more: HTMLButtonElement, onChoose: (filters: readonly number[]) => void) {
    this.#list = list;
    this.#more = more;
    this.#onChoose = onChoose;
    more.addEventListener('click', () => void this.#showMore());
  }

  /** Shows the feature maps of a result; of none where the method has none. */
  async show(maps: FeatureMaps | undefined, count: number): Promise<void> {
    this.#maps = maps;
    this.#count = count;
    if (!maps) {
      this.#ranked = [];
      this.#fill([], undefined);
      return;
    }
    try {
      const ranked = await maps.topFilters(count);
      const shown = ranked.slice(0, Math.max(PAGE, this.#shown));
      const pictures = await combined(maps, shown);
      if (maps !== this.#maps) return;
      this.#ranked = ranked;
      this.#fill(shown, pictures);
    } catch (error) {
      // Another result may have come meanwhile, and this one gone.
      if (maps === this.#maps) throw error;
    }
  }

  choose(filters: readonly number[]): void {
    this.#chosen = filters;
    for (const [filter, button] of this.#buttons) button.setAttribute('aria-pressed', String(filters.includes(filter)));
  }

  async #showMore(): Promise<void> {
    const maps = this.#maps;
    if (!maps) return;
    const added = this.#ranked.slice(this.#shown, this.#shown + PAGE);
    const pictures = await combined(maps, added);
    if (maps !== this.#maps) return;
    this.#append(added, pictures);
    // The button may be gone with the last of them.
    this.#buttons.get(added[0]!.filter)?.focus();
  }

  #fill(ranked: readonly FilterContribution[], pictures: CombinedMaps | undefined): void {
    this.#list.replaceChildren();
    this.#buttons = new Map();
    this.#shown = 0;
    if (pictures) this.#append(ranked, pictures);
    else this.#more.hidden = true;
  }

  #append(ranked: readonly FilterContribution[], { signed }: CombinedMaps): void {
    const [, height, width] = signed.shape;
    const cells = height * width;
    // Shares of what speaks for the class.
    const total = this.#ranked.reduce((sum, { contribution }) => sum + Math.max(0, contribution), 0);
    const items = ranked.map(({ filter, contribution }, i) => {
      const share = total > 0 ? contribution / total : 0;
      const canvas = thumbnail(signed.data.subarray(i * cells, (i + 1) * cells), { width, height });
      return h('li', {}, this.#button(filter, share, canvas));
    });
    this.#list.append(...items);
    this.#shown += ranked.length;
    this.#more.hidden = this.#shown >= this.#count;
    this.#more.textContent = `Show ${Math.min(PAGE, this.#count - this.#shown)} more of ${this.#count}`;
  }

  #button(filter: number, share: number, canvas: HTMLCanvasElement): HTMLButtonElement {
    const percent = `${share < 0 ? '−' : ''}${Math.abs(100 * share).toFixed(1)} %`;
    const button = h(
      'button',
      {
        type: 'button',
        class: 'thumbnail',
        'data-filter': filter,
        'aria-pressed': String(this.#chosen.includes(filter)),
        title: `Feature map ${filter}: ${percent} of what speaks for the class`,
      },
      canvas,
      h('span', { class: 'number' }, h('span', { class: 'visually-hidden' }, 'Feature map '), `${filter}`),
      h('span', { class: 'share' }, percent),
    );
    button.addEventListener('click', () => {
      const others = this.#chosen.filter((each) => each !== filter);
      this.#onChoose(others.length === this.#chosen.length ? [...others, filter] : others);
    });
    this.#buttons.set(filter, button);
    return button;
  }
}

async function combined(maps: FeatureMaps, ranked: readonly FilterContribution[]): Promise<CombinedMaps> {
  return maps.combine({ filters: ranked.map(({ filter }) => filter), combineFilters: 'each' });
}

/** A map in the page's ink, as strong as its value is large, on its own scale; the page enlarges it. */
function thumbnail(values: Float32Array, { width, height }: { width: number; height: number }): HTMLCanvasElement {
  const canvas = h('canvas', { width, height, 'aria-hidden': 'true' });
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // R, G, B, A of a pixel in one word; maps of the first layers have fifty thousand.
  const pixels = Uint32Array.from(values, (value) => {
    const level = largest > 0 ? Math.round((255 * Math.abs(value)) / largest) : 0;
    return 0xff000000 | (level * 0x010101);
  });
  const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width);
  canvas.getContext('2d')?.putImageData(image, 0, 0);
  return canvas;
}
