/** The picture with its maps: one or several side by side, the neurons to choose from, and the boxes. */
import { type Box, boxesOf, type HeatMaps } from 'gradcam-webgpu';
import type { EngineOptions, LoadRequest, OpenedPicture, RemoteExplanation, StepRecord } from 'gradcam-webgpu/element';
import { byId, s } from './dom.ts';
import { NeuronGrid } from './neuron-grid.ts';
import { Pane } from './pane.ts';
import { type PaneWanted, selectionOf } from './panes.ts';
import type { State, Store } from './state.ts';

/** Boxes are looked for on a map of this size at most, in pixels a side: what is larger would hold up a frame. */
const BOX_SIDE = 224;

interface Calls {
  onStep(pane: number, step: StepRecord): void;
  onProgress(pane: number, share: number): void;
  onFailure(error: unknown): void;
  /** Something for a screen reader to say. */
  say(text: string): void;
}

export class Stage {
  readonly #store: Store;
  readonly #calls: Calls;
  readonly #container = byId('panes');
  readonly #gridElement = s('svg', { class: 'grid', id: 'neuron-grid' });
  readonly #grid: NeuronGrid;
  #picture: OpenedPicture | undefined;
  #pictureName = '';
  #model: LoadRequest | undefined;
  #panes: Pane[] = [];
  #picksCells = false;

  constructor(store: Store, calls: Calls) {
    this.#store = store;
    this.#calls = calls;
    this.#grid = new NeuronGrid(this.#gridElement, (cells) => store.update({ cells }), calls.say);
    this.#setPanes(1);
    store.subscribe((state, changed) => this.#follow(state, changed));
  }

  /** What the first pane shows. */
  get result(): RemoteExplanation | undefined {
    return this.resultOf(0);
  }

  resultOf(pane: number): RemoteExplanation | undefined {
    return this.#panes[pane]?.result;
  }

  get picksCells(): boolean {
    return this.#picksCells;
  }

  /** @param name what the picture is called to those who do not see it */
  showPicture(picture: OpenedPicture, name: string): void {
    this.#picture = picture;
    this.#pictureName = name;
    this.#container.style.setProperty('--aspect', String(picture.width / picture.height));
    for (const pane of this.#panes) pane.showPicture(picture, name);
    this.#placeGrid();
  }

  /** Without a model there are no maps. */
  useModel(model: LoadRequest | undefined): void {
    this.#model = model;
    for (const pane of this.#panes) pane.useModel(model);
    this.#placeGrid();
  }

  /** @param wanted what is about to come; panes keep what they show until it does */
  begin(wanted: readonly PaneWanted[]): void {
    if (wanted.length !== this.#panes.length) this.#setPanes(wanted.length);
    wanted.forEach(({ title, choice }, i) => {
      this.#panes[i]!.entitle(title, choice && (() => this.#store.update(choice)));
    });
  }

  /** @throws as Engine.explain() */
  async explain(pane: number, options: EngineOptions): Promise<RemoteExplanation> {
    const result = await this.#panes[pane]!.explain(options);
    this.#placeGrid();
    await this.#select();
    return result;
  }

  stop(): void {
    for (const pane of this.#panes) pane.stop();
  }

  pickCells(picks: boolean): void {
    this.#picksCells = picks;
    this.#placeGrid();
    if (picks) this.#gridElement.focus({ preventScroll: true });
  }

  #follow(state: State, changed: ReadonlySet<keyof State>): void {
    if (changed.has('opacity') || changed.has('colorMap')) for (const pane of this.#panes) pane.showLook(state);
    // Of another picture or model, what there is here is about to go.
    const isLeaving = changed.has('picture') || changed.has('model') || changed.has('weights');
    if (!isLeaving && (changed.has('filters') || changed.has('cells'))) {
      this.#grid.choose(state.cells);
      void this.#select();
    }
    if (changed.has('showsBoxes') || changed.has('threshold')) this.#showBoxes();
  }

  #setPanes(count: number): void {
    this.#panes = Array.from({ length: count }, (_, i) => this.#panes[i] ?? this.#newPane(i));
    this.#container.style.setProperty('--panes', String(count));
    // Those that stay are not moved: an element that is taken out frees what it holds.
    while (this.#container.children.length > count) this.#container.lastElementChild!.remove();
    const added = this.#panes.slice(this.#container.children.length);
    this.#container.append(...added.map(({ element }) => element));
    this.#placeGrid();
  }

  #newPane(number: number): Pane {
    const pane = new Pane({
      onStep: (step) => this.#calls.onStep(number, step),
      onProgress: (share) => this.#calls.onProgress(number, share),
    });
    if (this.#model) pane.useModel(this.#model);
    if (this.#picture) pane.showPicture(this.#picture, this.#pictureName);
    pane.showLook(this.#store.state);
    pane.entitle(undefined, undefined);
    return pane;
  }

  /** Maps of the feature maps and cells that are chosen, of what is on the page already. */
  async #select(): Promise<void> {
    try {
      await Promise.all(this.#panes.map((pane) => pane.select(selectionOf(this.#store.state))));
      this.#showBoxes();
    } catch (error) {
      this.#calls.onFailure(error);
    }
  }

  #showBoxes(): void {
    const { showsBoxes, threshold } = this.#store.state;
    for (const pane of this.#panes) {
      const { map, result } = pane;
      pane.showBoxes(
        showsBoxes && map && result && this.#picture ? boxesIn(map, result, this.#picture, threshold) : [],
      );
    }
  }

  #placeGrid(): void {
    const [first] = this.#panes;
    const result = first?.result;
    if (this.#picksCells && first?.takesCells && result && this.#picture) {
      const [, rows, columns] = result.map.shape;
      this.#grid.lay({ rows, columns, picture: this.#picture, view: result.view });
      this.#grid.choose(this.#store.state.cells);
      first.lay(this.#gridElement);
    } else {
      this.#gridElement.remove();
    }
  }
}

/** In pixels of the picture. */
function boxesIn(map: HeatMaps, { view }: RemoteExplanation, picture: OpenedPicture, threshold: number): Box['box'][] {
  const scale = Math.min(1, BOX_SIDE / Math.max(picture.width, picture.height));
  const scaled = (length: number) => length * scale;
  const place = {
    picture: { width: Math.ceil(scaled(picture.width)), height: Math.ceil(scaled(picture.height)) },
    view: { left: scaled(view.left), top: scaled(view.top), width: scaled(view.width), height: scaled(view.height) },
  };
  return boxesOf(map, place, { threshold }).map(({ box: [x, y, width, height] }) => [
    x / scale,
    y / scale,
    width / scale,
    height / scale,
  ]);
}
