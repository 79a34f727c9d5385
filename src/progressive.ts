/** Explanations that grow: the map after each batch of noisy copies, how sure it is, and an end once it has settled. */
import type { WeightedMaps } from './cam/kept-maps.ts';
import { optionChecks } from './checked-options.ts';
import { methodName, methodOf } from './custom-method.ts';
import { OptionError } from './errors.ts';
import { explainInBatches } from './explain.ts';
import { checkRange, type Explanation, type HeatMaps } from './explanation.ts';
import type { Workspace } from './gpu/workspace.ts';
import type { ImageInput } from './image/picture.ts';
import type { Job } from './job.ts';
import { batchMapDispatches } from './maps.ts';
import { takesLayer } from './methods.ts';
import type { Model } from './model.ts';
import type { Batch } from './network/split.ts';
import { MOMENT_FLOATS } from './ops/moments.ts';
import type { ExplainOptions, ResolvedOptions } from './options.ts';

/** What explain() takes for one class and layer, and when to stop. */
export interface ProgressiveOptions extends ExplainOptions {
  /**
   * Stops once the largest standard error of a cell is at most this share of the map's largest value, above 0 and below 1,
   * such as 0.05. Default: all nSamples are taken.
   */
  tolerance?: number;
  /** Once it has fired, the batch under way is the last: its step has the result, of the copies so far. */
  stop?: AbortSignal;
}

/** The state of the map after a batch. */
export interface ProgressiveStep {
  /** Noisy copies so far, of `total`. */
  readonly samples: number;
  /** Noisy copies that were asked for. */
  readonly total: number;
  /** The map of the copies so far, behind its ReLU and before it. */
  readonly map: HeatMaps;
  /** The same before the ReLU. */
  readonly signed: HeatMaps;
  /**
   * Of each cell of `signed`, by batch means; undefined before the second batch, and once the map of a batch alone is beyond
   * float32, which α's pole can do.
   */
  readonly standardError: HeatMaps | undefined;
  /** The largest standard error as a share of the largest absolute value of `signed`; undefined where there is none. */
  readonly uncertainty: number | undefined;
  /** On the last step: the result, as explain() gives it for that many copies. */
  readonly result: Explanation | undefined;
}

/** Batches that the noisy copies are split into unless `batch` says otherwise: enough to tell how much they differ. */
const USUAL_STEPS = 10;
/** Batches that must agree before the map counts as settled: two or three may do so by chance. */
const LEAST_STEPS = 4;

/**
 * Explains as explain() does, and yields the map after each batch of noisy copies. Leaving the loop, or the signal, ends the
 * work with the batch that is under way. The last step's `result` has the bits that explain() gives for its number of
 * copies, with the kernels of its provenance.
 *
 * The standard error is that of batch means: with L_b the map of the n_b copies of batch b alone and L̄ their mean weighted
 * by n_b, SE² = Σ_b n_b (L_b − L̄)² / ((B − 1) Σ_b n_b).
 *
 * @throws OptionError, also for what is not known before the last copy (activations other than 'clean', sampleWeights:
 * 'score') and for nSamples 0; else as explain()
 */
export async function* explainProgressively(
  model: Model,
  image: ImageInput,
  { tolerance, stop: stopSignal, ...options }: ProgressiveOptions,
): AsyncGenerator<ProgressiveStep, void> {
  model.throwIfDisposed();
  const { resolveOptions } = await optionChecks(options.signal);
  const resolved = resolveOptions({ ...options, batch: options.batch ?? usualBatch(options.nSamples) }, model);
  checkTolerance(tolerance);
  const obstacle = obstacleToGrowth(resolved);
  if (obstacle) throw obstacle;
  const estimates = new BatchMeans();
  let own: OwnBuffers | undefined;
  const ownMap = async (job: Job, batch: Batch, workspace: Workspace) => {
    if (batch.gradients === 0) return [];
    own ??= await model.gpu.guard(async () => ownBuffers(job, workspace));
    return batchMapDispatches(job, batch, own);
  };
  const batches = explainInBatches(model, image, [resolved], options, ownMap);
  try {
    for (;;) {
      const next = await batches.next();
      if (next.done) return;
      const { samples, batch, jobs, stop } = next.value;
      // A batch of the clean picture alone.
      if (!own || batch.noisy === 0) continue;
      const [job] = jobs;
      const maps = await readMaps(model, job, own);
      checkRange(maps, resolved);
      estimates.add(maps.ofBatch, batch.noisy);
      const step = stepOf(job, maps, samples, resolved.nSamples, estimates);
      const isSettled =
        tolerance !== undefined && estimates.count >= LEAST_STEPS && Number(step.uncertainty) <= tolerance;
      if (isSettled || stopSignal?.aborted || samples === resolved.nSamples) {
        stop();
        const end = await batches.next();
        yield { ...step, result: end.done ? end.value[0] : undefined };
        return;
      }
      yield step;
    }
  } finally {
    await batches.return([]);
  }
}

/** Samples a batch where `batch` does not say; undefined where there are none. */
export function usualBatch(nSamples: unknown): number | undefined {
  return typeof nSamples === 'number' && nSamples > 0 ? Math.ceil((nSamples + 1) / USUAL_STEPS) : undefined;
}

/** Why a map cannot be watched as it grows, if so: an error for whoever asked for it. */
export function obstacleToGrowth({
  nSamples,
  activations,
  sampleWeights,
  method,
}: ResolvedOptions): OptionError | undefined {
  const row = methodOf(method);
  if (nSamples === 0 || !row.needsGradient) {
    const allowed = 'at least 1 with a method that takes a gradient: without noisy copies there is nothing that grows';
    return new OptionError('nSamples', nSamples, allowed);
  }
  if (row.weights === 'function') {
    const allowed = 'here one that weights on the GPU: by name or by an expression';
    return new OptionError('method', methodName(method), allowed);
  }
  if (row.place === 'input' && takesLayer(row)) {
    const allowed = `another one here: ${row.title} is a product of two means over the copies`;
    return new OptionError('method', methodName(method), allowed);
  }
  if (activations !== 'clean') {
    const allowed = `'clean' here, also with a preset: '${activations}' is known after the last copy only`;
    return new OptionError('activations', activations, allowed);
  }
  if (sampleWeights !== 'uniform') {
    return new OptionError('sampleWeights', sampleWeights, "'uniform' here: the others depend on copies still to come");
  }
  return undefined;
}

function checkTolerance(tolerance: number | undefined): void {
  if (tolerance === undefined || (tolerance > 0 && tolerance < 1)) return;
  throw new OptionError('tolerance', tolerance, 'a share of the largest value, above 0 and below 1');
}

/** Where the map of a batch alone is made. */
type OwnBuffers = Pick<WeightedMaps, 'sums' | 'weights'> & Pick<Job, 'zeroCells' | 'signed' | 'rectified'>;

function ownBuffers({ maps, cells, signed, rectified }: Job, workspace: Workspace): OwnBuffers {
  return {
    sums: workspace.floats("a batch's moment sums", maps * cells * MOMENT_FLOATS),
    weights: workspace.floats("a batch's map weights", maps),
    zeroCells: workspace.filled("a batch's zero cells", Uint32Array.of(0)),
    signed: { ...workspace.bytes("a batch's signed maps", signed.size), size: signed.size },
    rectified: { ...workspace.bytes("a batch's maps", rectified.size), size: rectified.size },
  };
}

/** The running map before and behind its ReLU, that of the batch alone before it, and whether a copy has overflowed. */
async function readMaps(model: Model, { signed, rectified, copyOverflow }: Job, own: OwnBuffers) {
  const [running, behindRelu, ofBatch, flag] = await model.gpu.read([
    signed,
    rectified,
    own.signed,
    { ...copyOverflow, size: 4 },
  ]);
  return {
    signed: new Float32Array(running),
    rectified: new Float32Array(behindRelu),
    ofBatch: new Float32Array(ofBatch),
    copyOverflow: new Uint32Array(flag)[0] === 1,
  };
}

function stepOf(
  { weighted: { height, width } }: Job,
  { signed, rectified }: { signed: Float32Array; rectified: Float32Array },
  samples: number,
  total: number,
  estimates: BatchMeans,
): ProgressiveStep {
  const shapeOf = ({ length }: Float32Array) => [length / (height * width), height, width] as const;
  const standardError = estimates.standardError();
  const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  // A map that is zero so far says nothing of how sure it is.
  const scale = largest(signed);
  return {
    samples,
    total,
    map: { data: rectified, shape: shapeOf(rectified) },
    signed: { data: signed, shape: shapeOf(signed) },
    standardError: standardError && { data: standardError, shape: shapeOf(standardError) },
    uncertainty: standardError && scale > 0 ? largest(standardError) / scale : undefined,
    result: undefined,
  };
}

/** Mean and standard error of cells from the values that batches of unequal size give them. */
export class BatchMeans {
  #batches = 0;
  #samples = 0;
  #means = new Float64Array();
  /** Σ_b n_b (L_b − L̄)², updated batch by batch (West 1979). */
  #squares = new Float64Array();

  get count(): number {
    return this.#batches;
  }

  add(values: Float32Array, samples: number): void {
    if (this.#batches === 0) {
      this.#means = new Float64Array(values.length);
      this.#squares = new Float64Array(values.length);
    }
    this.#batches++;
    this.#samples += samples;
    values.forEach((value, i) => {
      const off = value - this.#means[i];
      this.#means[i] += (off * samples) / this.#samples;
      this.#squares[i] += samples * off * (value - this.#means[i]);
    });
  }

  /** Undefined before the second batch, and where a batch's own values are beyond float32. */
  standardError(): Float32Array | undefined {
    if (this.#batches < 2) return undefined;
    const freedom = (this.#batches - 1) * this.#samples;
    const errors = Float32Array.from(this.#squares, (sum) => Math.sqrt(sum / freedom));
    return errors.every(Number.isFinite) ? errors : undefined;
  }
}
