/**
 * The feature maps of the layer as a contact sheet, those that add most to the map first. To the keyboard and to screen readers
 * it is one list of several choices; the map then shows the sum of those that are chosen.
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
/** Cells that are fetched and drawn in one task: more would hold up a frame. A map of the first layers has fifty thousand. */
const CELLS_AT_ONCE = 150_000;

export class ContactSheet {
  readonly #list: HTMLElement;
  readonly #more: HTMLButtonElement;
  readonly #onChoose: (filters: readonly number[]) => void;
  #maps: FeatureMaps | undefined;
  #count = 0;
  #ranked: readonly FilterContribution[] = [];
  #shown = 0;
  #chosen: readonly number[] = [];
  /** In the order on the sheet. */
  #items = new Map<number, HTMLButtonElement>();
  /** The feature map by which the keyboard comes into the sheet: where it was last. */
  #at: number | undefined;

  constructor(list: HTMLElement, more: HTMLButtonElement, onChoose: (filters: readonly number[]) => void) {
    this.#list = list;
    this.#more = more;
    this.#onChoose = onChoose;
    more.addEventListener('click', () => void this.#showMore());
    list.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Shows the feature maps of a result; of none where the method has none. */
  async show(maps: FeatureMaps | undefined, count: number): Promise<void> {
    this.#maps = maps;
    this.#count = count;
    if (!maps) {
      this.#ranked = [];
      this.#fill([], []);
      return;
    }
    this.#list.setAttribute('aria-busy', 'true');
    try {
      const ranked = await maps.topFilters(count);
      const shown = ranked.slice(0, Math.max(PAGE, this.#shown));
      const pictures = await picturesOf(maps, shown);
      if (maps !== this.#maps) return;
      this.#ranked = ranked;
      this.#fill(shown, pictures);
    } catch (error) {
      // Another result may have come meanwhile, and this one gone.
      if (maps !== this.#maps) return;
      this.#list.setAttribute('aria-busy', 'false');
      throw error;
    }
  }

  choose(filters: readonly number[]): void {
    this.#chosen = filters;
    for (const [filter, item] of this.#items) item.setAttribute('aria-selected', String(filters.includes(filter)));
  }

  async #showMore(): Promise<void> {
    const maps = this.#maps;
    if (!maps) return;
    const added = this.#ranked.slice(this.#shown, this.#shown + PAGE);
    const pictures = await picturesOf(maps, added);
    if (maps !== this.#maps) return;
    this.#append(added, pictures);
    // The button may be gone with the last of them.
    this.#goTo(added[0]!.filter);
  }

  /** @param pictures as many */
  #fill(ranked: readonly FilterContribution[], pictures: readonly HTMLCanvasElement[]): void {
    const hadFocus = this.#list.contains(document.activeElement);
    // Who comes to another sheet later begins with what is most important on it.
    if (!hadFocus) this.#at = undefined;
    this.#list.replaceChildren();
    this.#items = new Map();
    this.#shown = 0;
    this.#append(ranked, pictures);
    this.#list.setAttribute('aria-busy', 'false');
    if (hadFocus && this.#at !== undefined) this.#goTo(this.#at);
  }

  #append(ranked: readonly FilterContribution[], pictures: readonly HTMLCanvasElement[]): void {
    // Shares of what speaks for the class.
    const total = this.#ranked.reduce((sum, { contribution }) => sum + Math.max(0, contribution), 0);
    const items = ranked.map(({ filter, contribution }, i) => {
      return this.#item(filter, total > 0 ? contribution / total : 0, pictures[i]!);
    });
    this.#list.append(...items);
    this.#shown += ranked.length;
    this.#more.hidden = this.#shown >= this.#count;
    this.#more.textContent = `Show ${Math.min(PAGE, this.#count - this.#shown)} more of ${this.#count}`;
    this.#enterAt(this.#at);
  }

  #item(filter: number, share: number, canvas: HTMLCanvasElement): HTMLButtonElement {
    const percent = `${share < 0 ? '−' : ''}${Math.abs(100 * share).toFixed(1)} %`;
    const item = h(
      'button',
      {
        type: 'button',
        role: 'option',
        class: 'thumbnail',
        'data-filter': filter,
        'aria-selected': String(this.#chosen.includes(filter)),
        tabindex: -1,
        title: `Feature map ${filter}: ${percent} of what speaks for the class`,
      },
      canvas,
      h('span', { class: 'number' }, h('span', { class: 'visually-hidden' }, 'Feature map '), `${filter}`),
      h('span', { class: 'share' }, percent),
    );
    item.addEventListener('click', () => {
      this.#enterAt(filter);
      const others = this.#chosen.filter((each) => each !== filter);
      this.#onChoose(others.length === this.#chosen.length ? [...others, filter] : others);
    });
    this.#items.set(filter, item);
    return item;
  }

  /** One of them is where Tab comes in: the first, if this one is not on the sheet. */
  #enterAt(filter: number | undefined): void {
    const at = filter !== undefined && this.#items.has(filter) ? filter : this.#items.keys().next().value;
    this.#at = at;
    for (const [each, item] of this.#items) item.tabIndex = each === at ? 0 : -1;
  }

  #goTo(filter: number): void {
    this.#enterAt(filter);
    if (this.#at !== undefined) this.#items.get(this.#at)?.focus();
  }

  /** Arrows go through the sheet as it is seen, Home and End to its ends; Space and Enter choose, as buttons do. */
  #onKey(event: KeyboardEvent): void {
    const filters = [...this.#items.keys()];
    if (this.#at === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = filters.indexOf(this.#at);
    const last = filters.length - 1;
    const columns = this.#columns();
    const next = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - columns,
      ArrowDown: at + columns,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (next >= 0 && next <= last) this.#goTo(filters[next]!);
  }

  /** How many there are in a row: as wide as the window leaves room for. */
  #columns(): number {
    const items = [...this.#items.values()];
    const below = items.findIndex(({ offsetTop }) => offsetTop > items[0]!.offsetTop);
    return below < 0 ? items.length : below;
  }
}

async function picturesOf(maps: FeatureMaps, ranked: readonly FilterContribution[]): Promise<HTMLCanvasElement[]> {
  const pictures: HTMLCanvasElement[] = [];
  // How large they are shows with the first.
  let atOnce = 1;
  while (pictures.length < ranked.length) {
    const filters = ranked.slice(pictures.length, pictures.length + atOnce).map(({ filter }) => filter);
    const { signed } = await maps.combine({ filters, combineFilters: 'each' });
    const [, height, width] = signed.shape;
    const cells = height * width;
    for (let i = 0; i < filters.length; i++) {
      pictures.push(thumbnail(signed.data.subarray(i * cells, (i + 1) * cells), { width, height }));
    }
    atOnce = Math.max(1, Math.floor(CELLS_AT_ONCE / cells));
  }
  return pictures;
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
