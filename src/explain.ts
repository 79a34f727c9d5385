/**
 * An explanation, in call order: picture, noisy copies, forward to the layer and to the score, backward to the layer,
 * running moments of the gradient, weights, map. Between the picture's upload and the map's read-back everything stays
 * on the GPU. The formulas are those of Omeiza et al. 2019 and its predecessors; see src/ops for each.
 */
import { METHOD_TABLE } from './cam/methods.ts';
import { type Outcome, outcomeOf } from './cam/outcome.ts';
import { subsetMask } from './cam/subset.ts';
import { OverflowError, throwIfAborted } from './errors.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Gpu } from './gpu/gpu.ts';
import { fitPicture, type View, viewOf } from './image/fit.ts';
import { drawOverlay, type OverlayImage, type OverlayOptions } from './image/overlay.ts';
import { type ImageInput, type Picture, readPicture } from './image/picture.ts';
import type { Model } from './model.ts';
import { elementsOf } from './network/graph.ts';
import { type Batch, convolutionsBehind, type Plan, planExplanation, type Step } from './network/plan.ts';
import {
  activationSlice,
  forwardStep,
  gradientSlice,
  gradientStep,
  maskStep,
  type RunContext,
  reluGradientStep,
} from './network/run.ts';
import { argmax } from './ops/argmax.ts';
import { map } from './ops/map.ts';
import { MOMENT_FLOATS, moments, momentWeights } from './ops/moments.ts';
import { inputRange, noise } from './ops/noise.ts';
import { oneHot } from './ops/one-hot.ts';
import { type PreprocessShape, preprocess, preprocessRowFloats, resizeRows } from './ops/preprocess.ts';
import { copySample, sampleMean } from './ops/sample-mean.ts';
import { softmax } from './ops/softmax.ts';
import { alphaWeights, meanGradientWeights } from './ops/weights.ts';
import {
  type ExplainOptions,
  type Fit,
  type ResolvedOptions,
  resolveFit,
  resolveOptions,
  resolveTopK,
} from './options.ts';
import { VERSION } from './version.ts';

export interface Prediction {
  readonly classIndex: number;
  /** The class's name, where the model was given labels. */
  readonly label: string | undefined;
  /** Softmax of the logits, 0 … 1. */
  readonly probability: number;
  readonly logit: number;
}

/** Heat maps, row-major [maps, height, width]. */
export interface HeatMaps {
  readonly data: Float32Array;
  readonly shape: readonly [maps: number, height: number, width: number];
}

/** Milliseconds per stage. */
export interface Timings {
  /** Decoding, planning, allocating and uploading. */
  readonly prepare: number;
  /** From the first submit until the GPU is done; the first call also compiles the kernels here. */
  readonly compute: number;
  readonly read: number;
  readonly total: number;
  /** On the GPU itself, with the option `timestamps` and where the device can tell. */
  readonly gpu?: number;
}

export interface Provenance {
  readonly library: string;
  readonly model: string;
  readonly weights: { readonly origin: string; readonly format: string; readonly checksum: string | undefined };
  readonly picture: { readonly width: number; readonly height: number };
  readonly options: ResolvedOptions;
  /** The class that was explained, chosen or given. */
  readonly classIndex: number;
  readonly adapter: Gpu['adapterInfo'];
}

export interface Explanation {
  /** The map L after its ReLU, raw: not normalised, at the layer's own resolution. Several with filters one by one. */
  readonly map: HeatMaps;
  /** The same before the ReLU. */
  readonly signed: HeatMaps;
  /** Of the clean picture, the most probable first. */
  readonly predictions: readonly Prediction[];
  readonly classIndex: number;
  /** S of the explained class on the clean picture. */
  readonly logit: number;
  readonly outcome: Outcome;
  /** Cells whose α was set to zero because its denominator was not above zero, of alphaCells; 0 of 0 for Grad-CAM. */
  readonly alphaZeroCells: number;
  readonly alphaCells: number;
  /** The options in force, defaults filled in. */
  readonly options: ResolvedOptions;
  readonly timings: Timings;
  /** Everything needed to make the map again. */
  readonly provenance: Provenance;
  /** The heat map over the whole picture, at the picture's size. */
  overlay(options?: OverlayOptions): Promise<OverlayImage>;
}

/**
 * Explains why the model gives a picture its class.
 *
 * @throws OptionError, ImageError, LimitError (one sample does not fit the device), OverflowError,
 * DeviceLostError, AbortError
 */
export async function explain(model: Model, image: ImageInput, options: ExplainOptions = {}): Promise<Explanation> {
  const clock = stopwatch();
  const { signal, onProgress } = options;
  const resolved = resolveOptions(options, model);
  const picture = await readPicture(image);
  throwIfAborted(signal);
  const { gpu } = model;
  const layer = model.resolveLayer(resolved.layerName);
  const plan = planExplanation({
    graph: model.graph,
    convention: model.parameters.convention,
    target: layer.name,
    samples: resolved.nSamples,
    batch: resolved.batch,
    limits: gpu.limits,
  });
  const workspace = new Workspace(gpu);
  try {
    const job = await prepareJob(model, resolved, plan, workspace);
    const input = await prepareInput(model, picture, resolved.fit, workspace, job.input);
    await model.parameters.prepareGradients(convolutionsBehind(model.graph, layer.name));
    clock.lap('prepare');

    const total = resolved.nSamples + 1;
    let reported = 0;
    const progress = (done: number) => {
      if (done > reported) onProgress?.({ done, total });
      reported = Math.max(reported, done);
    };
    let done = 0;
    let gpuMs: number | undefined;
    for (const [i, batch] of plan.batches.entries()) {
      const isLast = i === plan.batches.length - 1;
      const dispatches = [
        ...(i === 0 ? [...input.dispatches, rangeDispatch(job)] : []),
        ...batchDispatches(job, batch),
        ...(isLast ? mapDispatches(job) : []),
      ];
      const rows = batch.noisy + batch.clean;
      const run = await gpu.run(dispatches, {
        signal,
        timed: options.timestamps,
        onProgress: (share) => progress(done + Math.floor(share * rows)),
      });
      if (run.gpuMs !== undefined) gpuMs = (gpuMs ?? 0) + run.gpuMs;
      done += rows;
      if (!isLast) progress(done);
    }
    await gpu.device.queue.onSubmittedWorkDone();
    clock.lap('compute');
    const result = await readResult(job);
    clock.lap('read');
    progress(total);
    return finish(model, picture, input.view, resolved, layer.shape, result, { ...clock.times(), gpu: gpuMs });
  } finally {
    workspace.release();
  }
}

/** The paper's call: Smooth Grad-CAM++ with the paper's parameter names, which are those of `explain`. */
export function gradCamPlusSmooth(
  model: Model,
  image: ImageInput,
  options: Omit<ExplainOptions, 'method'> = {},
): Promise<Explanation> {
  return explain(model, image, { ...options, method: 'smooth-grad-cam++' });
}

/** The most probable classes of a picture, best first. */
export async function classify(
  model: Model,
  image: ImageInput,
  options: Pick<ExplainOptions, 'topK' | 'fit' | 'signal'> = {},
): Promise<Prediction[]> {
  const topK = resolveTopK(options.topK);
  const fit = resolveFit(options.fit);
  const picture = await readPicture(image);
  throwIfAborted(options.signal);
  const { gpu, graph, parameters } = model;
  const plan = planExplanation({
    graph,
    convention: parameters.convention,
    target: undefined,
    samples: 0,
    limits: gpu.limits,
  });
  const workspace = new Workspace(gpu);
  try {
    const [context, probabilities] = await gpu.guard(
      async () =>
        [runContext(model, plan, undefined, workspace), workspace.floats('probabilities', model.classCount)] as const,
    );
    const x = activationSlice(context, graph.input.name);
    const logits = activationSlice(context, graph.logits.name);
    const input = await prepareInput(model, picture, fit, workspace, x);
    const forward = plan.steps.flatMap((step) => (step.kind === 'forward' ? forwardStep(context, step.node, 1) : []));
    await gpu.run([...input.dispatches, ...forward, softmax(model.classCount, 1, { logits, probabilities })], {
      signal: options.signal,
    });
    const bytes = await gpu.read([
      { ...logits, size: 4 * model.classCount },
      { ...probabilities, size: 4 * model.classCount },
    ]);
    const [logitValues, probabilityValues] = bytes.map((b) => new Float32Array(b));
    return rankPredictions(model, logitValues, probabilityValues, topK);
  } finally {
    workspace.release();
  }
}

/** Buffers of one job, lent by the pool. */
class Workspace {
  readonly #gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    gpu.pool.resetPeak();
  }

  bytes(label: string, bytes: number): BufferSlice {
    const buffer = this.#gpu.pool.acquire(label, bytes);
    this.#buffers.push(buffer);
    // The pool may lend a larger buffer than the device can bind.
    return { buffer, size: Math.max(16, bytes) };
  }

  floats(label: string, count: number): BufferSlice {
    return this.bytes(label, count * 4);
  }

  filled(label: string, words: Uint32Array<ArrayBuffer>): BufferSlice {
    const slice = this.floats(label, words.length);
    this.#gpu.write(slice.buffer, words);
    return slice;
  }

  release(): void {
    for (const buffer of this.#buffers) this.#gpu.pool.release(buffer);
    this.#gpu.pool.endRound();
  }
}

/** What the batches of one explanation share. */
interface Job {
  readonly context: RunContext;
  readonly options: ResolvedOptions;
  readonly target: string;
  readonly classes: number;
  /** K and the cells of one of the layer's maps. */
  readonly maps: number;
  readonly cells: number;
  /** Heat maps to make and filters in each. */
  readonly heatMaps: number;
  readonly filtersPerMap: number;
  /** The clean picture as the network takes it. */
  readonly input: BufferSlice;
  readonly range: BufferSlice;
  readonly classIndex: BufferSlice;
  readonly cleanLogits: BufferSlice;
  readonly probabilities: BufferSlice;
  readonly activations: BufferSlice;
  readonly sums: BufferSlice;
  readonly largestScore: BufferSlice;
  readonly sampleWeights: BufferSlice | undefined;
  readonly weights: BufferSlice;
  readonly zeroCells: BufferSlice;
  readonly filters: BufferSlice;
  readonly subset: BufferSlice;
  readonly signed: BufferSlice;
  readonly rectified: BufferSlice;
}

function runContext(model: Model, plan: Plan, target: string | undefined, workspace: Workspace): RunContext {
  return {
    traits: model.gpu.traits,
    graph: model.graph,
    parameters: model.parameters,
    plan,
    target,
    buffers: plan.bufferBytes.map((bytes, i) => workspace.bytes(`network buffer ${i}`, bytes)),
  };
}

/** Allocates inside the error scopes, so that running out of memory is an error of this call. */
function prepareJob(model: Model, options: ResolvedOptions, plan: Plan, workspace: Workspace): Promise<Job> {
  return model.gpu.guard(async () => {
    const { name: target, shape } = model.resolveLayer(options.layerName);
    const [maps, height, width] = shape;
    const cells = height * width;
    const classes = model.classCount;
    const each = options.filters !== undefined && options.combineFilters === 'each';
    const filters = Uint32Array.from(options.filters ?? Array.from({ length: maps }, (_, k) => k));
    const heatMaps = each ? filters.length : 1;
    return {
      context: runContext(model, plan, target, workspace),
      options,
      target,
      classes,
      maps,
      cells,
      heatMaps,
      filtersPerMap: filters.length / heatMaps,
      input: workspace.floats('model input', elementsOf(model.inputShape)),
      range: workspace.floats('input range', 2),
      classIndex: workspace.filled('class', Uint32Array.of(options.classIndex ?? 0)),
      cleanLogits: workspace.floats('clean logits', classes),
      probabilities: workspace.floats('probabilities', classes),
      activations: workspace.floats('explained activations', maps * cells),
      sums: workspace.floats('moment sums', maps * cells * MOMENT_FLOATS),
      largestScore: workspace.floats('largest score', 1),
      sampleWeights: options.sampleWeights === 'score' ? workspace.floats('sample weights', 2 * plan.rows) : undefined,
      weights: workspace.floats('map weights', maps),
      zeroCells: workspace.filled('zero cells', Uint32Array.of(0)),
      filters: workspace.filled('filters', filters),
      subset: workspace.filled('subset', subsetMask({ height, width }, options.subset, options.region)),
      signed: workspace.floats('signed maps', heatMaps * cells),
      rectified: workspace.floats('maps', heatMaps * cells),
    };
  });
}

/** Uploads the picture and gives what turns it into the model's input; a picture beyond a binding goes in bands. */
async function prepareInput(
  model: Model,
  picture: Picture,
  fit: Fit,
  workspace: Workspace,
  input: BufferSlice,
): Promise<{ dispatches: Dispatch[]; view: View }> {
  const { gpu } = model;
  const [, height, width] = model.inputShape;
  const shape: PreprocessShape = fitPicture(fit, picture, { height, width });
  const rowBytes = picture.width * 4;
  const bandLimit = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  const bandRows = Math.min(picture.height, Math.floor(bandLimit / rowBytes));
  const [pixels, rows] = await gpu.guard(async () => [
    workspace.bytes('picture band', bandRows * rowBytes),
    workspace.floats('resized rows', preprocessRowFloats(shape)),
  ]);
  const dispatches: Dispatch[] = [];
  for (let firstRow = 0; firstRow < picture.height; firstRow += bandRows) {
    // The band before must have been read before this one is written over it.
    if (dispatches.length > 0) await gpu.run(dispatches.splice(0));
    const band = { firstRow, rows: Math.min(bandRows, picture.height - firstRow) };
    gpu.write(pixels.buffer, picture.data.subarray(firstRow * rowBytes, (firstRow + band.rows) * rowBytes));
    dispatches.push(resizeRows(shape, band, { pixels, rows }));
  }
  dispatches.push(preprocess(shape, model.preprocessing, { rows, input }));
  return { dispatches, view: viewOf(shape) };
}

function rangeDispatch(job: Job): Dispatch {
  return inputRange(elementsOf(job.context.graph.input.shape), { x: job.input, range: job.range });
}

/** One batch, from the noise to the moments. */
function batchDispatches(job: Job, batch: Batch): Dispatch[] {
  const { context, classes } = job;
  const rows = batch.noisy + batch.clean;
  const logits = activationSlice(context, context.graph.logits.name);
  const backward = batch.gradients > 0;
  const dispatchesOf = (step: Step): Dispatch[] => {
    switch (step.kind) {
      case 'noise':
        return [noiseDispatch(job, batch)];
      case 'forward':
        return forwardStep(context, step.node, rows);
      case 'capture':
        return captureActivations(job, batch);
      case 'logits':
        return batch.clean ? cleanScores(job, batch.noisy, logits) : [];
      case 'mask':
        return backward ? [maskStep(context, step.node, batch.gradients)] : [];
      case 'seed': {
        const y = gradientSlice(context, context.graph.logits.name);
        return backward ? [oneHot(classes, batch.gradients, { index: job.classIndex, y })] : [];
      }
      case 'relu-gradient':
        return backward ? [reluGradientStep(context, step.node, batch.gradients)] : [];
      case 'gradient':
        return backward ? gradientStep(context, step.node, batch.gradients) : [];
      case 'moments':
        return backward ? addMoments(job, batch, logits) : [];
    }
  };
  return context.plan.steps.flatMap(dispatchesOf);
}

function noiseDispatch({ context, options, input, range }: Job, batch: Batch): Dispatch {
  const { seed, stdDev, noiseScale } = options;
  return noise(elementsOf(context.graph.input.shape), { seed, stdDev, relative: noiseScale === 'relative' }, batch, {
    x: input,
    range,
    y: activationSlice(context, context.graph.input.name),
  });
}

/** Keeps the feature maps that the final sum will weight: the clean picture's, or the mean of the noisy ones. */
function captureActivations(job: Job, batch: Batch): Dispatch[] {
  const { context, options, maps, cells } = job;
  const buffers = { x: activationSlice(context, job.target), total: job.activations };
  if (options.activations === 'clean' || options.nSamples === 0) {
    return batch.clean ? [copySample(maps * cells, batch.noisy, buffers)] : [];
  }
  if (batch.noisy === 0) return [];
  const keep = batch.firstSample === 0 ? 0 : 1;
  return [sampleMean(maps * cells, { first: 0, samples: batch.noisy, keep, scale: 1 / options.nSamples }, buffers)];
}

/** The clean picture's logits and probabilities, and the class they choose unless the caller chose one. */
function cleanScores(job: Job, row: number, logits: BufferSlice): Dispatch[] {
  const { classes, classIndex, cleanLogits, probabilities } = job;
  return [
    copySample(classes, row, { x: logits, total: cleanLogits }),
    softmax(classes, 1, { logits: cleanLogits, probabilities }),
    ...(job.options.classIndex === undefined ? [argmax(classes, 0, { x: cleanLogits, index: classIndex })] : []),
  ];
}

function addMoments(job: Job, batch: Batch, logits: BufferSlice): Dispatch[] {
  const { context, classes, maps, cells, sums, sampleWeights, classIndex: index, largestScore: largest } = job;
  const restart = batch.firstSample === 0;
  const grad = gradientSlice(context, job.target);
  return [
    ...(sampleWeights
      ? [momentWeights(classes, batch.gradients, { logits, index, largest, sampleWeights, restart })]
      : []),
    moments(maps * cells, batch.gradients, { grad, sums, sampleWeights, restart }),
  ];
}

/** From the moments of all samples to the map. */
function mapDispatches(job: Job): Dispatch[] {
  const { options, maps, cells, sums, activations, weights, zeroCells } = job;
  const shape = { maps, cells, samples: Math.max(1, options.nSamples) };
  return [
    METHOD_TABLE[options.method].weights === 'alpha'
      ? alphaWeights(shape, options.alphaNumerator, { sums, activations, zeroCells, weights })
      : meanGradientWeights(shape, { sums, weights }),
    map({ maps: job.heatMaps, filtersPerMap: job.filtersPerMap, cells }, job),
  ];
}

interface RawResult {
  readonly rectified: Float32Array;
  readonly signed: Float32Array;
  readonly logits: Float32Array;
  readonly probabilities: Float32Array;
  readonly classIndex: number;
  readonly zeroCells: number;
}

/** The one read-back. */
async function readResult(job: Job): Promise<RawResult> {
  const words = (slice: BufferSlice, count: number): BufferSlice => ({ ...slice, size: 4 * count });
  const [rectified, signed, logits, probabilities, classIndex, zeroCells] = await job.context.parameters.gpu.read([
    words(job.rectified, job.heatMaps * job.cells),
    words(job.signed, job.heatMaps * job.cells),
    words(job.cleanLogits, job.classes),
    words(job.probabilities, job.classes),
    words(job.classIndex, 1),
    words(job.zeroCells, 1),
  ]);
  return {
    rectified: new Float32Array(rectified),
    signed: new Float32Array(signed),
    logits: new Float32Array(logits),
    probabilities: new Float32Array(probabilities),
    classIndex: new Uint32Array(classIndex)[0],
    zeroCells: new Uint32Array(zeroCells)[0],
  };
}

function finish(
  model: Model,
  picture: Picture,
  view: View,
  options: ResolvedOptions,
  [maps, height, width]: readonly [number, number, number],
  result: RawResult,
  timings: Timings,
): Explanation {
  checkFinite(`the map of ${options.layerName}`, result.signed);
  const shape = [result.signed.length / (height * width), height, width] as const;
  const alphaCells = METHOD_TABLE[options.method].weights === 'alpha' ? maps * height * width : 0;
  const heat = { data: result.rectified, shape };
  return {
    map: heat,
    signed: { data: result.signed, shape },
    predictions: rankPredictions(model, result.logits, result.probabilities, options.topK),
    classIndex: result.classIndex,
    logit: result.logits[result.classIndex],
    outcome: outcomeOf(result.signed, { zeroCells: result.zeroCells, cells: alphaCells }),
    alphaZeroCells: result.zeroCells,
    alphaCells,
    options,
    timings,
    provenance: {
      library: `gradcam-webgpu ${VERSION}`,
      model: model.name,
      weights: model.weights,
      picture: { width: picture.width, height: picture.height },
      options,
      classIndex: result.classIndex,
      adapter: model.gpu.adapterInfo,
    },
    overlay: (overlayOptions) => drawOverlay(model.gpu, picture, heat, view, overlayOptions),
  };
}

function rankPredictions(model: Model, logits: Float32Array, probabilities: Float32Array, topK: number): Prediction[] {
  checkFinite(`the logits of ${model.name}`, logits);
  const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b] - logits[a] || a - b);
  return order.slice(0, topK).map((classIndex) => ({
    classIndex,
    label: model.labels?.[classIndex],
    probability: probabilities[classIndex],
    logit: logits[classIndex],
  }));
}

/** @throws OverflowError for a value that would make whatever is computed from it meaningless. */
function checkFinite(what: string, values: Float32Array): void {
  const broken = values.find((value) => !Number.isFinite(value));
  if (broken === undefined) return;
  throw new OverflowError(
    `${what} came out as ${broken}: float32 overflows on the way. The weights or the noise (stdDev) are too large.`,
  );
}

function stopwatch() {
  const started = performance.now();
  let last = started;
  const laps: Record<string, number> = {};
  return {
    lap(stage: 'prepare' | 'compute' | 'read'): void {
      const now = performance.now();
      laps[stage] = now - last;
      last = now;
    },
    times: () => ({ ...laps, total: performance.now() - started }) as unknown as Timings,
  };
}
