/** <gradcam-view>: a picture with the heat map that explains it, in any page. */

import { findOneClass } from '../class-names.ts';
import { AbortError, OptionError, ReleasedError, throwIfAborted, untilAborted } from '../errors.ts';
import { fitPicture, viewOf } from '../image/fit.ts';
import type {
  CombinedMaps,
  ExplainProgress,
  ImageInput,
  LoadProgress,
  Prediction,
  SelectionOptions,
} from '../index.ts';
import { resolveFit } from '../resolve-options.ts';
import {
  ATTRIBUTES,
  type AttributeName,
  type AttributeProperties,
  DEFAULT_MODEL,
  defineProperties,
  readOptions,
  readSelection,
  type Stage,
} from './attributes.ts';
import { Display } from './display.ts';
import { Engine, type LoadedModel, type OpenedPicture } from './engine.ts';
import type { MapGround } from './heat-canvas.ts';
import { Holdings } from './holdings.ts';
import type { EngineOptions, LoadRequest } from './protocol.ts';
import type { RemoteExplanation } from './remote-explanation.ts';
import type { GradcamViewEventMap, ViewProgress, ViewState } from './view-events.ts';
import { captionOf, complaintOf, DEVICE_LOST } from './words.ts';

/** Where there are no pages, as on a server that renders some, the module can be imported all the same. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

export interface GradcamView extends Omit<AttributeProperties, 'weights' | 'labels'> {
  /** One of its own events, or of those that every element has. */
  addEventListener<Name extends keyof GradcamViewEventMap>(
    type: Name,
    listener: (this: GradcamView, event: GradcamViewEventMap[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** An event that the page has made up. */
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** Takes back what was added by the same arguments. */
  removeEventListener<Name extends keyof GradcamViewEventMap>(
    type: Name,
    listener: (this: GradcamView, event: GradcamViewEventMap[Name]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  /** Likewise. */
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/**
 * Shows a picture and, with the attribute `auto` or after explain(), the heat map over it. The work is done by the page's one
 * Engine, in a worker, one element after the other. A change of an attribute does anew what depends on it and no more: another
 * opacity needs no GPU, other feature maps no network.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: defineProperties() makes what the interface declares
export class GradcamView extends Base {
  /** @internal */
  static readonly observedAttributes = Object.keys(ATTRIBUTES);

  readonly #display: Display = new Display(this, () => this.#retry());
  readonly #states = this.attachInternals().states as Set<string> | undefined;
  readonly #holdings = new Holdings((event) => this.#hear(event));
  /** The page's choice. */
  #engine: Engine | undefined;
  #picture: ImageInput | OpenedPicture | undefined;
  #weights: LoadRequest['weights'];
  #labels: readonly string[] | undefined;
  #options: EngineOptions = {};
  #state: ViewState = 'empty';
  /** What changed since the last look at it. */
  #stale = new Set<Stage | 'presence'>();
  #isScheduled = false;
  #running: Run | undefined;
  #result: RemoteExplanation | undefined;
  /** The result is this element's own, to be released. */
  #ownsResult = false;
  #combines = 0;
  /** Whether the map could not be drawn as the attributes say, which every step of a growing map would say again. */
  #isLookWrong = false;

  constructor() {
    super();
    this.#setState('empty');
  }

  /** The engine that does the work. Default: the page's one. */
  get engine(): Engine {
    return this.#engine ?? Engine.shared();
  }

  set engine(engine: Engine | undefined | null) {
    this.#engine = engine ?? undefined;
    this.#changed('picture');
  }

  /** The picture, in place of `src`: any that explain() takes, or one that Engine.open() has opened, which stays the page's. */
  get picture(): ImageInput | OpenedPicture | undefined {
    return this.#picture;
  }

  set picture(picture: ImageInput | OpenedPicture | undefined | null) {
    this.#picture = picture ?? undefined;
    this.#changed('picture');
  }

  /** An address, as the attribute, or the files of a file input or a dropped folder. */
  get weights(): LoadRequest['weights'] {
    return this.#weights ?? this.getAttribute('weights') ?? undefined;
  }

  set weights(weights: LoadRequest['weights'] | null) {
    this.#weights = typeof weights === 'string' ? undefined : (weights ?? undefined);
    if (typeof weights === 'string') this.setAttribute('weights', weights);
    else this.removeAttribute('weights');
    this.#changed('model');
  }

  /** Names of the classes, or, as the attribute, the address of a JSON array of them. */
  get labels(): LoadRequest['labels'] {
    return this.#labels ?? this.getAttribute('labels') ?? undefined;
  }

  set labels(labels: LoadRequest['labels'] | null) {
    this.#labels = typeof labels === 'string' ? undefined : (labels ?? undefined);
    if (typeof labels === 'string') this.setAttribute('labels', labels);
    else this.removeAttribute('labels');
    this.#changed('model');
  }

  /** Options of explain() that have no attribute, or instead of them; attributes come first. */
  get options(): EngineOptions {
    return this.#options;
  }

  set options(options: EngineOptions | undefined | null) {
    this.#options = options ?? {};
    this.#changed('options');
  }

  /** What it is doing. */
  get state(): ViewState {
    return this.#state;
  }

  /** The last explanation; with the next one, it is released. One that is set is shown, and stays the page's. */
  get result(): RemoteExplanation | undefined {
    return this.#result;
  }

  set result(result: RemoteExplanation | undefined | null) {
    this.#dropResult();
    this.#abort();
    if (!result) return;
    // A picture that was set before is that of the result.
    this.#takeStale();
    this.#result = result;
    this.#showResult(result);
  }

  /** The model, once it is loaded. */
  get loadedModel(): LoadedModel | undefined {
    return this.#holdings.model.current;
  }

  /**
   * Explains the picture by the attributes as they are now. One that is under way ends with an AbortError.
   *
   * @throws as Engine.open(), load() and explain(); what is thrown is also an 'error' event, but for AbortError
   */
  async explain(): Promise<RemoteExplanation> {
    this.#takeStale();
    this.#abort();
    const running: Run = { abort: new AbortController(), stop: new AbortController(), isSelectionStale: false };
    this.#running = running;
    const engine = this.#useEngine();
    this.#display.complaint = undefined;
    this.#setState('loading');
    const isCurrent = () => this.#running === running;
    try {
      const { signal } = running.abort;
      const [picture, model] = await untilAborted(Promise.all([this.#openPicture(), this.#loadModel()]), signal);
      const options = this.#optionsFor(model);
      this.#setState('explaining');
      const result = await engine.explain(model, picture, options, {
        signal,
        stop: running.stop.signal,
        onProgress: ({ done, total }: ExplainProgress) => this.#progress({ stage: 'explaining', done, total }),
        onStep: (step) => {
          if (!isCurrent()) return;
          this.#show(step, options.method, groundOf(picture, model, options));
          this.dispatchEvent(new CustomEvent('step', { detail: step }));
        },
      });
      // It was on its way already when it was no longer wanted.
      if (signal.aborted) result.release();
      throwIfAborted(signal);
      this.#dropResult();
      this.#result = result;
      this.#ownsResult = true;
      this.#showResult(result);
      this.dispatchEvent(new CustomEvent('result', { detail: result }));
      if (running.isSelectionStale) void this.#select();
      return result;
    } catch (error) {
      // Another element has started the page's engine anew under this one.
      const isWanted = isCurrent() && !running.abort.signal.aborted;
      if (isWanted && !this.#engine && engine.isReplaced) return await this.explain();
      if (isCurrent()) this.#fail(error);
      throw error;
    } finally {
      if (isCurrent()) {
        this.#running = undefined;
        this.#display.hideProgress();
      }
    }
  }

  /** The most probable classes of the picture, best first. Errors as those of explain(). */
  async classify({ topK }: { topK?: number } = {}): Promise<Prediction[]> {
    this.#takeStale();
    const engine = this.#useEngine();
    try {
      const [picture, model] = await Promise.all([this.#openPicture(), this.#loadModel()]);
      return await engine.classify(model, picture, { topK, fit: this.#optionsFor(model).fit });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /**
   * Shows the map of other feature maps or cells, without running the network again.
   *
   * @throws ReleasedError without a result, OptionError
   */
  async combine(selection: SelectionOptions = {}): Promise<CombinedMaps> {
    const result = this.#result;
    if (!result) throw new ReleasedError('there is no result to make other maps of: call explain() first');
    const turn = ++this.#combines;
    const combined = await result.combine(selection);
    if (turn === this.#combines && result === this.#result) {
      this.#display.complaint = undefined;
      if (!this.#running) this.#settle();
      this.#show(combined, result.options.method, { picture: result.provenance.picture, view: result.view });
      this.dispatchEvent(new CustomEvent('combine', { detail: combined }));
    }
    return combined;
  }

  /** Ends what is under way: of a growing explanation, the map so far becomes the result. */
  stop(): void {
    if (!this.#running) return;
    if (this.#holdings.model.current && this.#holdings.picture.current) {
      this.#running.stop.abort();
      return;
    }
    this.#running.abort.abort();
    if (!this.#holdings.model.current) this.#holdings.model.drop();
  }

  /** @internal */
  connectedCallback(): void {
    for (const name of PROPERTIES) this.#adopt(name);
    this.#changed('presence');
  }

  /** @internal */
  adoptedCallback(): void {
    this.#display.moveToDocument();
  }

  /** @internal */
  disconnectedCallback(): void {
    // An element that is only moved is back by then.
    queueMicrotask(() => {
      if (!this.isConnected) this.#free();
    });
  }

  /** @internal */
  attributeChangedCallback(name: AttributeName, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === 'weights' && after !== null) this.#weights = undefined;
    if (name === 'labels' && after !== null) this.#labels = undefined;
    this.#changed(ATTRIBUTES[name].stage);
  }

  /** A property that was set before the element was defined hides its accessor. */
  #adopt(name: string): void {
    if (!Object.hasOwn(this, name)) return;
    const own = this as unknown as Record<string, unknown>;
    const value = own[name];
    delete own[name];
    own[name] = value;
  }

  #changed(stage: Stage | 'presence'): void {
    if (stage === 'none') return;
    this.#stale.add(stage);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.isConnected) this.#update();
    });
  }

  /** Does anew what depends on what has changed. */
  #update(): void {
    const stale = this.#takeStale();
    const isOther = stale.has('picture') || stale.has('model') || stale.has('options');
    const isMissing = !this.#result && (stale.has('presence') || stale.has('selection'));
    if (stale.has('look') || stale.has('presence')) this.#paint();
    if (this.auto && this.#hasPicture() && (isOther || isMissing)) {
      this.explain().catch(() => {}); // reported where it failed
      return;
    }
    if (stale.has('picture') || stale.has('presence')) void this.#showPicture();
    if (!stale.has('selection')) return;
    if (this.#running) this.#running.isSelectionStale = true;
    else if (this.#result) void this.#select();
  }

  /** What has changed since the last look, with what was made of it thrown away. */
  #takeStale(): ReadonlySet<Stage | 'presence'> {
    const stale = this.#stale;
    this.#stale = new Set();
    if (stale.has('picture') || stale.has('model')) {
      this.#dropResult();
      if (stale.has('picture')) this.#holdings.picture.drop();
      if (stale.has('model')) this.#holdings.model.drop();
      this.#display.complaint = undefined;
      this.#abort();
    }
    return stale;
  }

  #abort(): void {
    this.#running?.abort.abort();
    this.#running = undefined;
    this.#display.hideProgress();
    this.#settle();
  }

  /** What it is when nothing is under way. */
  #settle(): void {
    this.#setState(this.#result ? 'done' : this.#holdings.picture.current ? 'ready' : 'empty');
  }

  #hasPicture(): boolean {
    return this.#picture !== undefined || this.hasAttribute('src');
  }

  async #showPicture(): Promise<void> {
    if (!this.#hasPicture()) {
      this.#display.clearPicture();
      this.#setState('empty');
      return;
    }
    this.#useEngine();
    try {
      await this.#openPicture();
      if (!this.#running) this.#settle();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #select(): Promise<void> {
    const { engine } = this.#holdings;
    const result = this.#result;
    try {
      await this.combine(readSelection(this));
    } catch (error) {
      // There is another one by now, or none is wanted.
      if (result !== this.#result) return;
      if (this.#ownsResult && !this.#engine && engine?.isReplaced) {
        this.explain().catch(() => {}); // reported where it failed
        return;
      }
      this.#fail(error);
    }
  }

  async #openPicture(): Promise<OpenedPicture> {
    const source = this.#picture ?? this.src;
    if (source === undefined)
      throw new OptionError('src', undefined, 'the address of a picture, or the property picture');
    return this.#holdings.openPicture(source, this.engine, (opened) => this.#display.drawPicture(opened));
  }

  #loadModel(): Promise<LoadedModel> {
    const request: LoadRequest = {
      model: this.model ?? DEFAULT_MODEL,
      weights: this.weights,
      labels: this.labels,
      precision: this.precision as LoadRequest['precision'],
    };
    const onProgress = ({ loadedBytes: done, totalBytes: total }: LoadProgress) =>
      this.#progress({ stage: 'loading', done, total });
    return this.#holdings.loadModel(request, this.engine, onProgress).finally(() => this.#display.hideProgress());
  }

  /** The attributes, with classes by name as their index. */
  #optionsFor(model: LoadedModel): EngineOptions {
    const { classIndex, contrast } = this;
    return {
      ...this.#options,
      ...readOptions(this),
      ...(classIndex && { classIndex: findOneClass(classIndex, model.labels, 'class-index') }),
      ...(contrast && { contrast: findOneClass(contrast, model.labels, 'contrast') }),
    };
  }

  #showResult(result: RemoteExplanation): void {
    this.#display.caption = captionOf(result, this.#holdings.model.current?.labels);
    this.#setState('done');
    this.#show(result, result.options.method, { picture: result.provenance.picture, view: result.view });
  }

  #show(maps: Pick<CombinedMaps, 'map' | 'signed'>, method: EngineOptions['method'], ground: MapGround): void {
    this.#display.setMaps(maps, method, ground);
    this.#paint();
  }

  #paint(): void {
    try {
      this.#display.draw();
      if (this.#isLookWrong) {
        this.#isLookWrong = false;
        this.#display.complaint = undefined;
        this.#settle();
      }
    } catch (error) {
      const isNew = !this.#isLookWrong;
      this.#isLookWrong = true;
      this.#fail(error, isNew);
    }
  }

  #progress(progress: ViewProgress): void {
    this.#display.showProgress(progress);
    this.dispatchEvent(new CustomEvent('progress', { detail: progress }));
  }

  /** @param isNew whether the page has not heard of it yet */
  #fail(error: unknown, isNew = true): void {
    if (error instanceof AbortError) {
      this.#settle();
      return;
    }
    this.#display.complaint = complaintOf(error);
    this.#setState('failed');
    if (!isNew) return;
    const message = error instanceof Error ? error.message : String(error);
    this.dispatchEvent(new ErrorEvent('error', { error, message }));
  }

  #retry(): void {
    const { batch, needsOtherWorker } = this.#display.complaint ?? {};
    if (batch !== undefined) this.batch = batch;
    // An engine that the page has chosen is the page's to replace.
    if (needsOtherWorker && !this.#engine) this.engine.dispose();
    this.explain().catch(() => {}); // reported where it failed
  }

  #setState(state: ViewState): void {
    this.#states?.delete(this.#state);
    this.#state = state;
    try {
      this.#states?.add(state);
    } catch {
      // Chromium before version 125 takes none without dashes.
    }
    this.#display.isBusy = state === 'loading' || state === 'explaining';
  }

  #dropResult(): void {
    if (this.#ownsResult) this.#result?.release();
    this.#result = undefined;
    this.#ownsResult = false;
    this.#combines++;
    this.#display.clearMap();
  }

  #free(): void {
    this.#abort();
    // The page's own stays, for when the element is back.
    if (this.#ownsResult) this.#dropResult();
    this.#holdings.free();
    this.#display.freeCanvases();
    this.#setState('empty');
  }

  #hear(event: Event): void {
    if (event.type === 'device-lost') this.#display.complaint = { text: DEVICE_LOST };
    // Where it did not come back, whatever needs it says so.
    else if (this.#display.complaint?.text === DEVICE_LOST) this.#display.complaint = undefined;
  }

  #useEngine(): Engine {
    const { engine } = this;
    this.#holdings.moveTo(engine);
    return engine;
  }
}

/** An explanation under way. */
interface Run {
  readonly abort: AbortController;
  readonly stop: AbortController;
  /** Other feature maps or cells have been chosen since it began. */
  isSelectionStale: boolean;
}

const PROPERTIES = [
  ...new Set([...Object.values(ATTRIBUTES).map(({ property }) => property), 'picture', 'engine', 'options', 'result']),
];

if (globalThis.HTMLElement) defineProperties(GradcamView.prototype);

/** Where the map of a picture lies before its result says so. */
function groundOf(
  picture: OpenedPicture,
  { inputShape: [, height, width] }: LoadedModel,
  { fit }: EngineOptions,
): MapGround {
  return { picture, view: viewOf(fitPicture(resolveFit(fit), picture, { height, width })) };
}
