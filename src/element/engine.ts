/** The page's side of the engine: what it is asked for happens in a worker, on one device. */
import { proxy, type Remote, releaseProxy, wrap } from 'comlink';
import { DisposedError, throwIfAborted } from '../errors.ts';
import type { ClassifyOptions, ExplainProgress, LoadProgress, Prediction } from '../index.ts';
import { BUILT_IN_MODEL, findModel } from '../network/models.ts';
import { builtInWeights, createWorker, createWorkerFrom } from './addresses.ts';
import { EngineError, sendErrorsWhole } from './errors.ts';
import type {
  DeviceOptions,
  DeviceState,
  EngineApi,
  EngineEvent,
  EngineImage,
  EngineMemory,
  EngineOptions,
  ImageReference,
  LoadRequest,
  ModelRecord,
  PictureRecord,
  RemoteApi,
  StepRecord,
} from './protocol.ts';
import { RemoteExplanation } from './remote-explanation.ts';
import { WeightsStore } from './weights-store.ts';

export interface EngineStartOptions extends DeviceOptions {
  /**
   * The address of `gradcam-webgpu/element-worker`, which may be of another origin, or what makes a worker of it. Default: the
   * file beside this one.
   */
  worker?: string | URL | (() => Worker);
}

/** A picture as calls take it: opened before, or to be decoded for this call alone. */
export type EngineInput = EngineImage | OpenedPicture;

/** How a running explanation is watched and stopped. */
export interface ExplainHooks {
  /** Ends the call with an AbortError. */
  signal?: AbortSignal;
  /**
   * Once it has fired, a growing explanation ends with the batch under way; its result is that of the copies so far. Another
   * one ends with an AbortError.
   */
  stop?: AbortSignal;
  /** Called as forward passes are done. */
  onProgress?(progress: ExplainProgress): void;
  /** The map so far, after each batch of noisy copies; never where the method or n = 0 leaves nothing to grow. */
  onStep?(step: StepRecord): void;
}

/** A model in the engine. It takes memory until as many release() as there were load(). */
export interface LoadedModel extends ModelRecord {
  /** Takes one load() back; the last one frees the model. */
  release(): void;
}

/** A picture in the engine, decoded once. */
export interface OpenedPicture extends PictureRecord {
  /** Frees the picture. */
  release(): void;
}

/** As large as a preview is unless somebody asks for another size, in pixels. */
const DEFAULT_PREVIEW_SIDE = 1600;

let shared: Engine | undefined;
/** What the page has started it with, for when it has to be started anew. */
let sharedOptions: EngineStartOptions = {};

/**
 * Explanations in a worker. Events: 'device-lost', with the reason as `detail`; 'recovered', with the DeviceState; 'device-gone',
 * with the reason, where no new device could be had.
 *
 * A lost device is replaced and its models are loaded again without being asked; what was running is begun again once.
 */
export class Engine extends EventTarget {
  /** The weights that the browser keeps. */
  readonly cache = new WeightsStore();
  /** Absent where it could not even be asked for. */
  readonly #worker: Worker | undefined;
  readonly #api: Remote<EngineApi> | undefined;
  readonly #watched = new Map<number, { onProgress?(progress: never): void; onStep?(step: StepRecord): void }>();
  /** Rejects when the worker breaks down: calls under way would wait for ever. */
  readonly #broken: Promise<never>;
  #break: (error: Error) => void = () => {};
  #failure: Error | undefined;
  #isUp = false;
  #lastTask = 0;

  private constructor({ worker = createWorker, ...device }: EngineStartOptions) {
    super();
    sendErrorsWhole();
    this.#broken = new Promise((_, reject) => {
      this.#break = (error) => {
        this.#failure ??= error;
        reject(error);
        this.#worker?.terminate();
      };
    });
    this.#broken.catch(() => {}); // every call has it too
    try {
      this.#worker = typeof worker === 'function' ? worker() : createWorkerFrom(worker);
    } catch (cause) {
      this.#break(notStarted(cause instanceof Error ? cause.message : String(cause), cause));
      return;
    }
    this.#worker.addEventListener('error', ({ message }) => {
      // What it survives is reported by the call that met it.
      if (!this.#isUp || !message) this.#break(notStarted(message));
    });
    this.#api = wrap<EngineApi>(this.#worker);
    const configured = this.#ask((api) =>
      api.configure(
        device,
        proxy((event: EngineEvent) => this.#hear(event)),
      ),
    );
    configured.then(
      () => {
        this.#isUp = true;
      },
      () => {}, // every other call says so
    );
  }

  /**
   * The page's one engine, started when it is first asked for, and anew after it broke down. It outlives whoever uses it.
   *
   * @param options for this start and those after it; a page that has some asks before the first element does
   */
  static shared(options?: EngineStartOptions): Engine {
    if (shared && !shared.#failure) return shared;
    sharedOptions = options ?? sharedOptions;
    shared = new Engine(sharedOptions);
    return shared;
  }

  /**
   * Whether it was disposed, and the page has one that was started since.
   *
   * @internal
   */
  get isReplaced(): boolean {
    return this.#failure instanceof DisposedError && shared !== undefined && !shared.#failure;
  }

  /** An engine of one's own, with a worker and a device of its own. */
  static start(options: EngineStartOptions = {}): Engine {
    return new Engine(options);
  }

  /**
   * The device, which is asked for now if it has not been yet.
   *
   * @throws GpuUnavailableError where there is no WebGPU
   */
  ready(): Promise<DeviceState> {
    return this.#ask((api) => api.ready());
  }

  /**
   * Loads a model, or gives the one that was loaded by the same request. Addresses are relative to the page.
   *
   * @throws WeightsError, LimitError, OptionError, GpuUnavailableError, AbortError
   */
  async load(
    request: LoadRequest,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?(progress: LoadProgress): void } = {},
  ): Promise<LoadedModel> {
    const { weights, labels } = request;
    const built = weights === undefined ? builtInRequest(request.model) : { weights: absolute(weights) };
    const located = { ...request, ...built, labels: absolute(labels) };
    const record = await this.#task(signal, { onProgress }, (api, task) => api.load(task, located));
    return { ...record, release: once(() => this.#tell((api) => api.unload(record.key))) };
  }

  /**
   * Decodes a picture, for several calls and to show it.
   *
   * @param image also an address, relative to the page
   * @param options `previewSide`: pixels that no side of the preview exceeds, default 1600
   * @throws ImageError, AbortError
   */
  async open(
    image: EngineImage | string | URL,
    { signal, previewSide = DEFAULT_PREVIEW_SIDE }: { signal?: AbortSignal; previewSide?: number } = {},
  ): Promise<OpenedPicture> {
    const sent = typeof image === 'string' || image instanceof URL ? { url: absolute(String(image)) } : image;
    const record = await this.#task(signal, {}, (api, task) => api.openPicture(task, sent, previewSide));
    return { ...record, release: once(() => this.#tell((api) => api.closePicture(record.id))) };
  }

  /** The most probable classes, best first. Errors as those of the library's classify(). */
  classify(
    model: LoadedModel,
    image: EngineInput,
    { signal, ...options }: ClassifyOptions = {},
  ): Promise<Prediction[]> {
    return this.#task(signal, {}, (api, task) => api.classify(task, model.key, referenceTo(image), options));
  }

  /**
   * Explains as the library's explain() does; with `onStep` or the option `tolerance`, as explainProgressively(). One after
   * the other, in the order of the calls. Where memory runs out it is tried again with half the samples a dispatch, which
   * `result.options.batch` then tells.
   *
   * @throws as explain(); EngineError
   */
  async explain(
    model: LoadedModel,
    image: EngineInput,
    options: EngineOptions = {},
    { signal, stop, onProgress, onStep }: ExplainHooks = {},
  ): Promise<RemoteExplanation> {
    const grows = onStep !== undefined;
    const { id, record } = await this.#task(signal, { onProgress, onStep, stop }, (api, task) =>
      api.explain(task, model.key, referenceTo(image), options, grows),
    );
    return new RemoteExplanation(id, record, (work) => this.#ask(work));
  }

  /** What the engine holds. */
  memory(): Promise<EngineMemory> {
    return this.#ask((api) => api.memory());
  }

  /** Ends the worker and frees the device. Calls under way end with a DisposedError. */
  dispose(): void {
    if (this.#failure) return;
    this.#api?.[releaseProxy]();
    this.#break(new DisposedError('the engine was disposed: start another one'));
  }

  #hear(event: EngineEvent): void {
    switch (event.type) {
      case 'load-progress':
      case 'explain-progress':
        this.#watched.get(event.task)?.onProgress?.(event.progress as never);
        return;
      case 'step':
        this.#watched.get(event.task)?.onStep?.(event.step);
        return;
      case 'recovered':
        this.dispatchEvent(new CustomEvent(event.type, { detail: event.state }));
        return;
      default:
        this.dispatchEvent(new CustomEvent(event.type, { detail: event.reason }));
    }
  }

  async #task<T>(
    signal: AbortSignal | undefined,
    hooks: { onProgress?(progress: never): void; onStep?(step: StepRecord): void; stop?: AbortSignal },
    work: (api: RemoteApi, task: number) => Promise<T>,
  ): Promise<T> {
    throwIfAborted(signal);
    const task = ++this.#lastTask;
    const abort = () => {
      // What is on its way already is of no interest any more.
      this.#watched.delete(task);
      this.#tell((api) => api.abort(task));
    };
    const stop = () => this.#tell((api) => api.stop(task));
    this.#watched.set(task, hooks);
    try {
      const reply = this.#ask((api) => work(api, task));
      signal?.addEventListener('abort', abort);
      hooks.stop?.addEventListener('abort', stop);
      if (hooks.stop?.aborted) stop();
      return await reply;
    } finally {
      this.#watched.delete(task);
      signal?.removeEventListener('abort', abort);
      hooks.stop?.removeEventListener('abort', stop);
    }
  }

  /** The worker's answer, or what is wrong with the worker. */
  async #ask<T>(work: (api: RemoteApi) => Promise<T>): Promise<T> {
    if (this.#failure) throw this.#failure;
    return Promise.race([work(this.#api!), this.#broken]);
  }

  /** For what has no answer, and means nothing to a worker that is gone. */
  #tell(work: (api: RemoteApi) => Promise<unknown>): void {
    this.#ask(work).catch(() => {});
  }
}

function notStarted(reason: string, cause?: unknown): EngineError {
  return new EngineError(
    `the worker of gradcam-webgpu did not start${reason ? ` (${reason})` : ''}: element-worker.js must lie beside element.js, ` +
      "and the Content-Security-Policy must allow it (worker-src 'self'). Engine.shared({ worker }) takes another address",
    { cause },
  );
}

/** The weights that come with the package, by the address that the page's bundler gave them. */
function builtInRequest(model: string): Pick<LoadRequest, 'weights' | 'checksum'> {
  if (model !== BUILT_IN_MODEL) return {};
  return { weights: builtInWeights(), checksum: findModel(model).sources[0].checksum };
}

/** In the worker, a relative address would begin at the worker's own. */
function absolute<T>(address: T): T | string {
  return typeof address === 'string' ? new URL(address, document.baseURI).href : address;
}

function referenceTo(image: EngineInput): ImageReference {
  return 'preview' in image ? { opened: image.id } : image;
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
