/**
 * The network as a drawing to choose a layer from: a bar for each layer, as tall as its maps are large and as wide as they are
 * many. To the keyboard and to screen readers it is a group of radio buttons.
 */
import { s, setAttributes } from './dom.ts';

export interface DrawnLayer {
  readonly name: string;
  readonly type: string;
  /** [maps, height, width], or [units, 1, 1]. */
  readonly shape: readonly [number, number, number];
  /** The others are drawn for the story. */
  readonly canBeExplained: boolean;
}

/** Where layers are hit with a finger, which takes so many pixels at least (WCAG 2.2, 2.5.8). */
const FINGERS = '(max-width: 48rem), (pointer: coarse)';
const TARGET_PX = 24;
const HEIGHT = 132;
const LABELS = 18;
const GAP = 3;
/** What takes no room of its own in a drawing. */
const NOT_DRAWN = ['flatten', 'softmax'];

export class NetworkDrawing {
  readonly #parent: HTMLElement;
  readonly #svg = s('svg', { role: 'presentation' });
  readonly #onChoose: (name: string) => void;
  #bars = new Map<string, SVGGElement>();
  #choosable: string[] = [];
  #chosen: string | undefined;

  constructor(parent: HTMLElement, onChoose: (name: string) => void) {
    this.#parent = parent;
    this.#onChoose = onChoose;
    setAttributes(parent, { role: 'radiogroup', 'aria-label': 'Layer to explain, from the picture to the classes' });
    parent.append(this.#svg);
    parent.addEventListener('keydown', (event) => this.#onKey(event));
  }

  draw(layers: readonly DrawnLayer[]): void {
    this.#choosable = layers.filter(({ canBeExplained }) => canBeExplained).map(({ name }) => name);
    this.#bars = new Map();
    this.#chosen = undefined;
    const isForFingers = matchMedia(FINGERS).matches;
    const narrowest = Math.min(...layers.filter(({ canBeExplained }) => canBeExplained).map(widthOf));
    const widening = isForFingers ? Math.max(0, TARGET_PX - GAP - narrowest) : 0;
    const parts: SVGElement[] = [];
    let x = 0;
    let block: { name: string; from: number } | undefined;
    const endBlock = () => {
      if (block) parts.push(blockLabel(block.name, (block.from + x - GAP) / 2));
      block = undefined;
    };
    for (const layer of layers.filter(({ type }) => !NOT_DRAWN.includes(type))) {
      const name = blockOf(layer.name);
      if (name !== block?.name) {
        endBlock();
        if (x > 0) x += GAP;
        block = { name, from: x };
      }
      const width = widthOf(layer) + (layer.canBeExplained ? widening : 0);
      const bar = this.#bar(layer, x, width);
      parts.push(bar);
      x += width + GAP;
    }
    endBlock();
    // In the middle of its few bars, the last name would stick out.
    setAttributes(parts.at(-1)!, { x: x - GAP, 'text-anchor': 'end' });
    setAttributes(this.#svg, { viewBox: `0 0 ${x - GAP} ${HEIGHT + LABELS}` });
    // Wider than its place, it is moved along.
    this.#parent.classList.toggle('wide', isForFingers);
    this.#svg.style.minWidth = isForFingers ? `${x - GAP}px` : '';
    this.#svg.replaceChildren(...parts);
  }

  /** Draws no network. */
  clear(): void {
    this.#bars = new Map();
    this.#choosable = [];
    this.#chosen = undefined;
    this.#svg.replaceChildren();
  }

  /** Shows which layer is explained; undefined where the method has to do with none. */
  choose(name: string | undefined): void {
    // A link may name a layer of another network: the keyboard still gets into the drawing.
    const isThere = name !== undefined && this.#choosable.includes(name);
    for (const [each, bar] of this.#bars) {
      if (!this.#choosable.includes(each)) continue;
      const isChosen = each === name;
      setAttributes(bar, {
        'aria-checked': String(isChosen),
        'aria-disabled': name === undefined ? 'true' : undefined,
        tabindex: isChosen || (!isThere && each === this.#choosable[0]) ? 0 : -1,
      });
    }
    if (isThere && name !== this.#chosen) this.#bringIntoSight(name);
    this.#chosen = isThere ? name : undefined;
  }

  /** Where the drawing is wider than its place; the page itself stays where it is. */
  #bringIntoSight(name: string): void {
    if (this.#parent.scrollWidth <= this.#parent.clientWidth) return;
    const bar = this.#bars.get(name)!.getBoundingClientRect();
    const place = this.#parent.getBoundingClientRect();
    this.#parent.scrollLeft += bar.left + bar.width / 2 - (place.left + place.width / 2);
  }

  #bar(layer: DrawnLayer, x: number, width: number): SVGGElement {
    const [maps, rows, columns] = layer.shape;
    const height = heightOf(layer);
    const body = s('rect', { class: 'bar', x, y: (HEIGHT - height) / 2, width, height, rx: 1.5 });
    // The whole column takes the click: bars of late layers are small.
    const target = s('rect', { class: 'target', x: x - GAP / 2, y: 0, width: width + GAP, height: HEIGHT });
    const what = rows > 1 ? `${maps} maps of ${rows} × ${columns}` : `${maps} units`;
    const group = s('g', { class: `layer ${layer.type}` }, s('title', {}, `${layer.name}: ${what}`), target, body);
    if (layer.canBeExplained) {
      setAttributes(group, {
        role: 'radio',
        'aria-checked': 'false',
        'data-layer': layer.name,
        tabindex: -1,
      });
      group.addEventListener('click', () => this.#take(layer.name));
    } else {
      setAttributes(group, { 'aria-hidden': 'true' });
    }
    this.#bars.set(layer.name, group);
    return group;
  }

  #take(name: string): void {
    if (this.#bars.get(name)?.getAttribute('aria-disabled') === 'true') return;
    this.#bars.get(name)?.focus({ preventScroll: true });
    this.#onChoose(name);
  }

  /** As radio buttons behave: arrows go to a neighbour and choose it, Home and End to the ends. */
  #onKey(event: KeyboardEvent): void {
    const focused = (event.target as Element).closest<SVGGElement>('[data-layer]')?.dataset.layer;
    if (focused === undefined) return;
    const at = this.#choosable.indexOf(focused);
    const last = this.#choosable.length - 1;
    const next = {
      ArrowRight: at === last ? 0 : at + 1,
      ArrowDown: at === last ? 0 : at + 1,
      ArrowLeft: at === 0 ? last : at - 1,
      ArrowUp: at === 0 ? last : at - 1,
      Home: 0,
      End: last,
      ' ': at,
      Enter: at,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#take(this.#choosable[next]!);
  }
}

function blockLabel(name: string, x: number): SVGTextElement {
  return s('text', { class: 'block', x, y: HEIGHT + LABELS - 5, 'text-anchor': 'middle', 'aria-hidden': 'true' }, name);
}

/** 'block3_conv2' belongs to '3'; the picture and the classifier's layers to groups of their own. */
function blockOf(layer: string): string {
  if (layer === 'input') return '';
  return /^block(\d+)_/.exec(layer)?.[1] ?? 'classes';
}

/** Logarithmic, since each block has maps of half the side and twice the number. */
function heightOf({ shape: [, rows] }: DrawnLayer): number {
  return rows > 1 ? Math.max(14, (HEIGHT * Math.log2(rows)) / Math.log2(256) - 6) : 40;
}

function widthOf({ type, shape: [maps] }: DrawnLayer): number {
  return type === 'conv2d' ? 5 + Math.log2(Math.max(2, maps)) : 5;
}
