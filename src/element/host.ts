/** The worker's side of the engine: pictures, models and results by name, and one piece of GPU work after the other. */
import { transfer } from 'comlink';
import { methodOf } from '../custom-method.ts';
import {
  AbortError,
  DeviceLostError,
  LimitError,
  OptionError,
  ReleasedError,
  throwIfAborted,
  untilAborted,
} from '../errors.ts';
import type { Picture } from '../image/picture.ts';
import {
  type Box,
  type BoxOptions,
  type ClassifyOptions,
  type CombinedMaps,
  classify,
  explain,
  explainProgressively,
  type FilterContribution,
  type HeatMaps,
  type Model,
  type OneExplanation,
  type OverlayOptions,
  type Prediction,
  type ProgressiveOptions,
  type SelectionOptions,
} from '../index.ts';
import { takesPath } from '../methods.ts';
import type { AnyExplainOptions, ResolvedOptions } from '../options.ts';
import { obstacleToGrowth, usualBatch } from '../progressive.ts';
import { resolveCall } from '../resolve-options.ts';
import { DeviceKeeper, stateOf } from './device-keeper.ts';
import { ModelShelf } from './model-shelf.ts';
import { drawOverlayBitmap, encodePng } from './output.ts';
import { DEFAULT_MAX_PICTURE_PIXELS, decodePicture, previewOf } from './pictures.ts';
import type {
  DeviceOptions,
  DeviceState,
  EngineApi,
  EngineEvent,
  EngineMemory,
  EngineOptions,
  ExplanationRecord,
  ImageReference,
  LoadRequest,
  MemoryError,
  ModelRecord,
  NewImage,
  PictureRecord,
  PngOptions,
  StepRecord,
} from './protocol.ts';

/** Messages of a running load more often than this would only keep the page busy. */
const PROGRESS_INTERVAL_MS = 50;

/** What runs under a number of the page's. */
interface Task {
  readonly id: number;
  readonly signal: AbortSignal;
  readonly stop: AbortSignal;
}

interface KeptResult {
  explanation: OneExplanation;
  /** The one it was made with: on another device it has to be made again. */
  model: Model;
  readonly key: string;
  readonly picture: Picture;
}

export class EngineHost implements EngineApi {
  #tell: (event: EngineEvent) => unknown = () => {};
  #device: DeviceKeeper | undefined;
  #maxPicturePixels = DEFAULT_MAX_PICTURE_PIXELS;
  readonly #models = new ModelShelf();
  readonly #pictures = new Map<number, Picture>();
  readonly #results = new Map<number, KeptResult>();
  readonly #tasks = new Map<number, { abort: AbortController; stop: AbortController }>();
  /** The piece of GPU work that was asked for last. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  #lastId = 0;

  configure({ maxPicturePixels, ...device }: DeviceOptions, onEvent: (event: EngineEvent) => void): void {
    this.#tell = onEvent;
    this.#maxPicturePixels = maxPicturePixels ?? DEFAULT_MAX_PICTURE_PIXELS;
    this.#device = new DeviceKeeper(device, (gpu) => this.#models.restore(gpu), onEvent);
  }

  async ready(): Promise<DeviceState> {
    return stateOf(await this.#gpu());
  }

  openPicture(task: number, image: NewImage, previewSide: number): Promise<PictureRecord> {
    return this.#task(task, async ({ signal }) => {
      const { picture, original } = await decodePicture(image, this.#maxPicturePixels, signal);
      const preview = await previewOf(picture, previewSide);
      throwIfAborted(signal);
      const id = ++this.#lastId;
      this.#pictures.set(id, picture);
      return transfer({ id, width: picture.width, height: picture.height, original, preview }, [preview]);
    });
  }

  closePicture(id: number): void {
    this.#pictures.delete(id);
  }

  load(task: number, request: LoadRequest): Promise<ModelRecord> {
    return this.#task(task, async ({ id, signal }) => {
      let told = Number.NEGATIVE_INFINITY;
      const onProgress = (progress: { loadedBytes: number; totalBytes: number; file: string }) => {
        const now = performance.now();
        if (now - told < PROGRESS_INTERVAL_MS && progress.loadedBytes < progress.totalBytes) return;
        told = now;
        this.#tell({ type: 'load-progress', task: id, progress });
      };
      const gpu = await this.#gpu();
      try {
        return await this.#models.load(request, gpu, { signal, onProgress });
      } catch (error) {
        if (!(error instanceof DeviceLostError)) throw error;
        await gpu.device.lost;
        return this.#models.load(request, await this.#gpu(), { signal, onProgress });
      }
    });
  }

  unload(key: string): void {
    this.#models.unload(key);
    if (this.#models.size > 0) return;
    // What jobs left in the pool is of use to no model any more; a buffer is spared for one round.
    void this.#device?.get().then(
      ({ pool }) => {
        for (const purpose of ['job', 'display', 'job', 'display'] as const) pool.endRound(purpose);
      },
      () => {},
    );
  }

  classify(
    task: number,
    key: string,
    image: ImageReference,
    options: Omit<ClassifyOptions, 'signal'>,
  ): Promise<Prediction[]> {
    return this.#task(task, async ({ signal }) => {
      const picture = await this.#picture(image, signal);
      return this.#inTurn(signal, () =>
        this.#withModel(key, (model) => classify(model, picture, { ...options, signal })),
      );
    });
  }

  explain(
    task: number,
    key: string,
    image: ImageReference,
    options: EngineOptions,
    grows: boolean,
  ): Promise<{ id: number; record: ExplanationRecord }> {
    return this.#task(task, async (running) => {
      const picture = await this.#picture(image, running.signal);
      const kept = await this.#inTurn(running.signal, () =>
        this.#withModel(key, async (model) => {
          const explanation = await this.#explain(
            model,
            picture,
            { ...options, keep: options.keep ?? true },
            grows,
            running,
          );
          if (running.signal.aborted) explanation.release();
          throwIfAborted(running.signal);
          return { explanation, model, key, picture };
        }),
      );
      const id = ++this.#lastId;
      this.#results.set(id, kept);
      return { id, record: recordOf(kept.explanation) };
    });
  }

  abort(task: number): void {
    this.#tasks.get(task)?.abort.abort();
  }

  stop(task: number): void {
    this.#tasks.get(task)?.stop.abort();
  }

  combine(id: number, selection: SelectionOptions): Promise<CombinedMaps> {
    return this.#withResult(id, ({ explanation }) => explanation.combine(selection));
  }

  topFilters(
    id: number,
    k: number,
    within?: Pick<SelectionOptions, 'subset' | 'region'>,
  ): Promise<FilterContribution[]> {
    return this.#withResult(id, ({ explanation }) => explanation.topFilters(k, within));
  }

  upsample(id: number, size?: { height: number; width: number }): Promise<HeatMaps> {
    return this.#withResult(id, ({ explanation }) => explanation.upsample(size));
  }

  boxes(id: number, options?: BoxOptions): Promise<Box[]> {
    return this.#withResult(id, async ({ explanation }) => explanation.boxes(options));
  }

  async overlay(id: number, options?: OverlayOptions): Promise<ImageBitmap> {
    const bitmap = await this.#withResult(id, ({ explanation }) => drawOverlayBitmap(explanation, options));
    return transfer(bitmap, [bitmap]);
  }

  png(id: number, options: PngOptions = {}): Promise<Blob> {
    return this.#withResult(id, ({ explanation }) => encodePng(explanation, options));
  }

  release(id: number): void {
    this.#results.get(id)?.explanation.release();
    this.#results.delete(id);
  }

  async memory(): Promise<EngineMemory> {
    return {
      gpuBytes: (await this.#device?.bytes()) ?? 0,
      models: this.#models.size,
      pictures: this.#pictures.size,
      results: this.#results.size,
    };
  }

  #gpu() {
    if (!this.#device) throw new Error('the engine is not configured');
    return this.#device.get();
  }

  async #task<T>(id: number, work: (task: Task) => Promise<T>): Promise<T> {
    const task = { abort: new AbortController(), stop: new AbortController() };
    this.#tasks.set(id, task);
    try {
      return await untilAborted(work({ id, signal: task.abort.signal, stop: task.stop.signal }), task.abort.signal);
    } finally {
      this.#tasks.delete(id);
    }
  }

  /** Side by side, two explanations would need the memory of both and be done no sooner. */
  #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(() => {
      throwIfAborted(signal);
      return work();
    });
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  /** What is lost with the device is done once more on the next one. */
  async #withModel<T>(key: string, work: (model: Model) => Promise<T>): Promise<T> {
    const model = await this.#models.get(key, await this.#gpu());
    try {
      return await work(model);
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      await model.gpu.device.lost;
      return work(await this.#models.get(key, await this.#gpu()));
    }
  }

  /** A result whose device was lost is made again, with the same kernels: it has the same bits. */
  async #withResult<T>(id: number, work: (kept: KeptResult) => Promise<T>): Promise<T> {
    const kept = this.#results.get(id);
    if (!kept) throw new ReleasedError('the result was released: explain again');
    return this.#withModel(kept.key, async (model) => {
      if (kept.model !== model) {
        const { options, classIndex, provenance } = kept.explanation;
        const again = { ...options, classIndex, kernels: provenance.kernels, keep: true } as AnyExplainOptions;
        kept.explanation = await this.#inTurn(new AbortController().signal, () =>
          explainOne(model, kept.picture, again),
        );
        kept.model = model;
      }
      return work(kept);
    });
  }

  async #picture(image: ImageReference, signal: AbortSignal): Promise<Picture> {
    if (!('opened' in image)) return (await decodePicture(image, this.#maxPicturePixels, signal)).picture;
    const picture = this.#pictures.get(image.opened);
    if (!picture) throw new ReleasedError('the picture was closed: open it again');
    return picture;
  }

  /** Where memory runs out, once more with half the samples a dispatch. */
  async #explain(
    model: Model,
    picture: Picture,
    options: EngineOptions,
    grows: boolean,
    task: Task,
  ): Promise<OneExplanation> {
    const { tolerance, ...plain } = options;
    const { asked, fusion, isList } = resolveCall(plain as AnyExplainOptions, model);
    if (isList)
      throw new OptionError('fusion', fusion, 'mean, max or product where there are several layers; one class');
    const [[resolved]] = asked;
    const growing = tolerance !== undefined || (grows && !fusion && !obstacleToGrowth(resolved));
    // There is no map so far to keep.
    if (!growing) task.stop.addEventListener('abort', () => this.abort(task.id));
    if (!growing && task.stop.aborted) this.abort(task.id);
    const attempt = (batch: number | undefined) =>
      growing
        ? this.#grow(model, picture, { ...options, batch } as ProgressiveOptions, task)
        : explainOne(model, picture, {
            ...(plain as AnyExplainOptions),
            batch,
            signal: task.signal,
            onProgress: (progress) => this.#tell({ type: 'explain-progress', task: task.id, progress }),
          });
    try {
      return await attempt(options.batch);
    } catch (error) {
      if (!isMemoryShort(error)) throw error;
      const batch = options.batch ?? (growing ? usualBatch(resolved.nSamples)! : copiesOf(model, resolved));
      if (batch === 1) throw withBatch(error, 1);
      const half = Math.ceil(batch / 2);
      return await attempt(half).catch((cause) => {
        throw isMemoryShort(cause) ? withBatch(cause, half) : cause;
      });
    }
  }

  async #grow(
    model: Model,
    picture: Picture,
    options: ProgressiveOptions,
    { id, signal, stop }: Task,
  ): Promise<OneExplanation> {
    const onProgress = (progress: { done: number; total: number }) =>
      this.#tell({ type: 'explain-progress', task: id, progress });
    for await (const { result, ...step } of explainProgressively(model, picture, {
      ...options,
      signal,
      stop,
      onProgress,
    })) {
      // Waits until the page has it: steps do not pile up, and the result does not overtake them.
      await this.#tell({ type: 'step', task: id, step: step satisfies StepRecord });
      if (result) return result;
    }
    throw new AbortError();
  }
}

function isMemoryShort(error: unknown): error is LimitError {
  return error instanceof LimitError && error.limit === 'memory';
}

function withBatch(error: LimitError, batch: number): MemoryError {
  return Object.assign(error, { batch });
}

/** @param options of one class, and of one layer or with fusion: then the result is one */
function explainOne(model: Model, picture: Picture, options: AnyExplainOptions): Promise<OneExplanation> {
  return explain(model, picture, options) as Promise<OneExplanation>;
}

/** Copies of the picture that one dispatch may take at most. */
function copiesOf(model: Model, { method: name, layerName, steps, nSamples }: ResolvedOptions): number {
  const method = methodOf(name);
  if (method.masks) return model.resolveLayer(layerName).shape[0];
  return 1 + (takesPath(method) ? steps : nSamples);
}

/** What can be sent: all but the calls. */
function recordOf(explanation: OneExplanation): ExplanationRecord {
  const values = Object.fromEntries(Object.entries(explanation).filter(([, value]) => typeof value !== 'function'));
  if ('layers' in explanation) values.layers = explanation.layers.map(recordOf);
  return values as unknown as ExplanationRecord;
}
