/**
 * What is under way: the picture and the model that the state names, and when there is to be a new explanation. The newest wish
 * counts; what it makes pointless is stopped.
 */
import { AbortError, type LoadProgress, MODELS } from 'gradcam-webgpu';
import type {
  Engine,
  EngineOptions,
  LoadedModel,
  LoadRequest,
  OpenedPicture,
  RemoteExplanation,
} from 'gradcam-webgpu/element';
import { type PaneWanted, panesOf, selectionOf } from './panes.ts';
import { SCENE_SIZE, type SceneDrawer } from './scenes.ts';
import { JOB_KEYS, type State, type Store, usualWeights } from './state.ts';

/** What a session tells of, in the order of its work. */
export interface SessionEvents {
  picture(picture: OpenedPicture): void;
  /** Undefined: nothing is being loaded any more. */
  loading(progress: Pick<LoadProgress, 'loadedBytes' | 'totalBytes'> | undefined): void;
  /** Undefined where the model that the state names is not there yet. */
  model(model: ModelInUse | undefined): void;
  /** Something is awaited that will replace what is shown. */
  busy(pending: Pending): void;
  /** The panes are about to be made; what they show until then is of an older wish. */
  begin(panes: readonly PaneWanted[]): void;
  result(pane: number, result: RemoteExplanation): void;
  /** The visitor ended a pane's work before there was a map: it shows what it showed. */
  stopped(pane: number): void;
  /** Nothing is under way any more. */
  end(): void;
  /** What else is under way goes on. */
  failure(error: unknown, during: Pending): void;
}

/** What the visitor waits for. */
export type Pending = 'picture' | 'model' | 'explanation';

/** Where maps are made and shown. */
export interface MapMaker {
  /** @throws as Engine.explain() */
  explain(pane: number, options: PaneWanted['options']): Promise<RemoteExplanation>;
  /** Ends what is under way, with the map so far. */
  stop(): void;
}

/** A model, and what it was asked for by. */
export interface ModelInUse extends LoadedModel {
  readonly request: LoadRequest;
}

/** An address, or files that the visitor handed over. */
export type OwnWeights = string | readonly File[];

/** Of a new picture, nothing that was chosen in the old one means anything. */
export const NEW_PICTURE = {
  classIndex: undefined,
  otherClass: undefined,
  filters: [],
  cells: undefined,
  view: 'one',
} as const satisfies Partial<State>;

/** Changes that come so close together, as those of a slider, are one. */
const PAUSE_MS = 200;

export class Session {
  readonly #engine: Engine;
  readonly #store: Store;
  readonly #scenes: SceneDrawer;
  readonly #maker: MapMaker;
  readonly #events: SessionEvents;
  #picture: OpenedPicture | undefined;
  #model: ModelInUse | undefined;
  #weights: OwnWeights | undefined;
  #labels: readonly string[] | undefined;
  #loading: AbortController | undefined;
  /** Numbers of the newest picture and of the newest run. */
  #pictures = 0;
  #runs = 0;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #isOpening = false;
  #isRunning = false;

  constructor(engine: Engine, store: Store, scenes: SceneDrawer, maker: MapMaker, events: SessionEvents) {
    this.#engine = engine;
    this.#store = store;
    this.#scenes = scenes;
    this.#maker = maker;
    this.#events = events;
    store.subscribe((state, changed) => this.#follow(state, changed));
  }

  get model(): ModelInUse | undefined {
    return this.#model;
  }

  get picture(): OpenedPicture | undefined {
    return this.#picture;
  }

  /** Shows what the state names; also once more, where it could not be had. */
  start(): void {
    if (!this.#picture) void this.#openScene(this.#store.state);
    if (this.#model) void this.run();
    else if (this.#store.state.weights.kind === 'built-in' || this.#weights) void this.load(this.#weights);
  }

  /** A picture of the visitor's own. */
  async open(picture: Blob, name: string): Promise<void> {
    await this.#open(() => this.#engine.open(picture), { ...NEW_PICTURE, picture: { kind: 'own', name } });
  }

  /**
   * Loads the model that the state names.
   *
   * @param weights undefined: those that come with the page
   * @returns whether it is there; if not, why is told or was the visitor's word
   */
  async load(weights: OwnWeights | undefined): Promise<boolean> {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.#take(undefined);
    this.#weights = weights;
    this.#events.loading({ loadedBytes: 0, totalBytes: 0 });
    this.#tell();
    try {
      const request = { model: this.#modelOf(weights), weights, labels: this.#labels };
      const onProgress = (progress: LoadProgress) => this.#events.loading(progress);
      const model = await this.#engine.load(request, { signal: loading.signal, onProgress });
      if (loading.signal.aborted) model.release();
      else this.#take({ ...model, request });
      return !loading.signal.aborted;
    } catch (error) {
      if (!(error instanceof AbortError)) this.#events.failure(error, 'model');
      return false;
    } finally {
      if (this.#loading === loading) {
        this.#loading = undefined;
        this.#events.loading(undefined);
        this.#tell();
      }
    }
  }

  /** Weights from elsewhere than usual tell by themselves which network they are of. */
  #modelOf(weights: OwnWeights | undefined): string {
    const { model } = this.#store.state;
    const usual = usualWeights(model);
    return weights === undefined || (usual.kind === 'url' && weights === usual.url) ? model : 'auto';
  }

  stopLoading(): void {
    this.#loading?.abort();
  }

  /** Names of the classes, for weights that come without: the model is loaded with them. */
  async name(labels: readonly string[]): Promise<void> {
    this.#labels = labels;
    if (this.#model) await this.load(this.#weights);
  }

  /** Makes the maps that the state asks for. */
  async run(): Promise<void> {
    this.#cancelSoon();
    const number = ++this.#runs;
    this.#maker.stop();
    this.#isRunning = this.#picture !== undefined && this.#model !== undefined;
    this.#tell();
    if (!this.#picture || !this.#model) return;
    let current = 0;
    try {
      const classes = await this.#missingClasses(this.#model, this.#picture);
      if (number !== this.#runs) return;
      // The change of the state is what asks for the maps.
      if (classes) return this.#store.update(classes);
      const panes = panesOf(this.#store.state, this.#model.labels);
      this.#events.begin(panes);
      for (const [pane, { options }] of panes.entries()) {
        current = pane;
        const result = await this.#maker.explain(pane, options);
        if (number !== this.#runs) return;
        this.#events.result(pane, result);
      }
    } catch (error) {
      if (number !== this.#runs) return;
      if (error instanceof AbortError) this.#events.stopped(current);
      else this.#events.failure(error, 'explanation');
    } finally {
      if (number === this.#runs) {
        this.#isRunning = false;
        this.#tell();
      }
    }
  }

  /** Two classes to compare, where the state does not name two: the most probable ones that it does not name. */
  async #missingClasses(model: ModelInUse, picture: OpenedPicture): Promise<Partial<State> | undefined> {
    const { view, classIndex, otherClass, fit } = this.#store.state;
    const areTwo = classIndex !== undefined && otherClass !== undefined && classIndex !== otherClass;
    if (view !== 'classes' || areTwo) return undefined;
    const likely = await this.#engine.classify(model, picture, { topK: 2, fit });
    const explained = classIndex ?? likely[0]?.classIndex;
    const runnerUp = likely.find((prediction) => prediction.classIndex !== explained)?.classIndex;
    const other = otherClass === explained ? runnerUp : (otherClass ?? runnerUp);
    // A network of one class has nothing to set against it.
    return other === undefined ? undefined : { classIndex: explained, otherClass: other };
  }

  /**
   * A result to be taken along, with a record of all that is chosen: of feature maps and cells, it is made anew, and the caller's
   * to release.
   *
   * @param shown the result on the page
   * @throws as Engine.explain()
   */
  async exported(shown: RemoteExplanation): Promise<RemoteExplanation> {
    const selection = selectionOf(this.#store.state);
    if (!selection || !this.#model || !this.#picture) return shown;
    const { classIndex, options, provenance } = shown;
    const made = { ...(options as EngineOptions), ...selection, classIndex, kernels: provenance.kernels };
    return this.#engine.explain(this.#model, this.#picture, made);
  }

  #follow(state: State, changed: ReadonlySet<keyof State>): void {
    // The name of what was loaded from files is known with them.
    const isOther = changed.has('model') && state.model !== this.#model?.name;
    if (isOther || changed.has('weights')) this.#changeModel(state);
    if (changed.has('picture')) {
      // Its first explanation begins when it is open.
      this.#cancelSoon();
      if (state.picture.kind === 'scene') void this.#openScene(state);
      return;
    }
    const isAboutPanes = changed.has('view') || (state.view === 'classes' && changed.has('otherClass'));
    if (!isAboutPanes && !JOB_KEYS.some((key) => changed.has(key))) return;
    this.#cancelSoon();
    this.#soon = setTimeout(() => void this.run(), PAUSE_MS);
    this.#tell();
  }

  #cancelSoon(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
  }

  /** What is waited for, of several that which the others need; or that nothing is. */
  #tell(): void {
    if (this.#loading) this.#events.busy('model');
    else if (this.#isOpening) this.#events.busy('picture');
    else if (this.#isRunning || this.#soon !== undefined) this.#events.busy('explanation');
    else this.#events.end();
  }

  /** What there was of another model means nothing any more. */
  #changeModel({ weights }: State): void {
    this.#loading?.abort();
    this.#weights = undefined;
    this.#labels = undefined;
    if (weights.kind === 'built-in') void this.load(undefined);
    else this.#take(undefined);
  }

  #take(model: ModelInUse | undefined): void {
    if (!model && !this.#model) return;
    this.#model?.release();
    this.#model = model;
    const known = MODELS.find(({ name }) => name === model?.name);
    if (known) this.#store.update({ model: known.name });
    this.#events.model(model);
    void this.run();
  }

  async #openScene({ picture }: State): Promise<void> {
    if (picture.kind !== 'scene') return;
    await this.#open(async () => this.#engine.open(await this.#scenes.draw(picture.seed, SCENE_SIZE)), {});
  }

  /** @param change of the state, once the picture has turned out to be one */
  async #open(open: () => Promise<OpenedPicture>, change: Partial<State>): Promise<void> {
    const number = ++this.#pictures;
    this.#isOpening = true;
    this.#tell();
    try {
      const picture = await open();
      if (number !== this.#pictures) return picture.release();
      this.#picture?.release();
      this.#picture = picture;
      this.#store.update(change);
      this.#events.picture(picture);
      this.#isOpening = false;
      void this.run();
    } catch (error) {
      if (number !== this.#pictures) return;
      this.#isOpening = false;
      this.#events.failure(error, 'picture');
      this.#tell();
    }
  }
}
