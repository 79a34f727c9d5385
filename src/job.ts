/**
 * One explanation on the GPU: the buffers that its batches share, and the dispatches of a batch, from the noisy copies to
 * the moments of the gradient, in the order of the plan.
 */

import { heatMapDispatch, type Selection, uploadSelection, type WeightedMaps, weightsCells } from './cam/kept-maps.ts';
import { probableClasses } from './cam/probable-classes.ts';
import { holdLayer } from './cam/traced-layer.ts';
import { type AnyMethod, type CustomMethod, methodName, methodOf, type WeightsFunction } from './custom-method.ts';
import { OptionError } from './errors.ts';
import type { RawResult } from './explanation.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Workspace } from './gpu/workspace.ts';
import { pictureBands } from './image/bands.ts';
import { fitPicture, type View, viewOf } from './image/fit.ts';
import type { Picture } from './image/picture.ts';

import { type InputMethod, METHODS, takesLayer, takesPath } from './methods.ts';

import type { Model } from './model.ts';
import { elementsOf, type Graph } from './network/graph.ts';
import { type Batch, type Plan, type Step, tensorName } from './network/plan.ts';
import {
  activationSlice,
  forwardStep,
  gradientSlice,
  gradientStep,
  maskStep,
  type RunContext,
  reluGradientStep,
  tensorSlice,
} from './network/run.ts';
import { argmax } from './ops/argmax.ts';

import { type AttributionFactor, attribution } from './ops/attribution.ts';

import { classMoments } from './ops/class-moments.ts';

import { MASK_RANGE_FLOATS } from './ops/mask-input.ts';
import { maskedScoreWeights, scoreDropWeights } from './ops/masked-scores.ts';
import { MOMENT_FLOATS, moments, momentWeights, SAMPLE_WEIGHT_FLOATS, scoreDerivatives } from './ops/moments.ts';
import { inputRange, noise } from './ops/noise.ts';
import { oneHot } from './ops/one-hot.ts';
import { overflow } from './ops/overflow.ts';
import { path } from './ops/path.ts';
import { type AxisFit, type PreprocessShape, preprocess, preprocessRowFloats, resizeRows } from './ops/preprocess.ts';
import { copySample, sampleMean } from './ops/sample-mean.ts';
import { type SingularVectorScratch, singularVector, singularVectorGramFloats } from './ops/singular-vector.ts';

import { logSoftmaxGradInput, softmax } from './ops/softmax.ts';

import { upsample } from './ops/upsample.ts';

import { activationShareWeights, alphaWeights, expressionWeights, meanGradientWeights } from './ops/weights.ts';
import type { Fit, ResolvedOptions } from './options.ts';
import { SCORE_TABLE } from './scores.ts';

/** Of integrated gradients: the points that are in place of noisy copies. */
interface PathJob {
  readonly steps: number;
  readonly baseline: BufferSlice;
  readonly baselineLogits: BufferSlice;
}

/** Of guided Grad-CAM: the Grad-CAM of its layer. */
interface Cam {
  /** At the layer, on a way back of its own from the same samples. */
  readonly job: Job;
  /** Its map at the size of the input. */
  readonly enlarged: BufferSlice;
}

/** One class's explanation. Those of several classes share the forward passes, and with them all buffers up to `maskRanges`. */
export interface Job {
  readonly context: RunContext;
  readonly options: ResolvedOptions;
  /** The layer whose feature maps are weighted, or the model's input. */
  readonly target: string;
  readonly classes: number;
  /** K and the cells of one of the layer's maps; of the input, its channels and the cells of one of them. */
  readonly maps: number;
  readonly cells: number;
  /** Which heat maps to make; none of feature maps at the input. */
  readonly selection: Selection | undefined;
  /** The clean picture as the network takes it. */
  readonly input: BufferSlice;
  readonly range: BufferSlice;
  readonly cleanLogits: BufferSlice;
  readonly probabilities: BufferSlice;
  /** Whether the scores of a noisy or masked copy are not finite. */
  readonly copyOverflow: BufferSlice;
  /** What the gradient at the input is multiplied with. */
  readonly factor: AttributionFactor | undefined;
  readonly path: PathJob | undefined;
  /** Where the score's derivatives take the gradients of many classes. */
  readonly classTable: ClassTable | undefined;
  readonly cam: Cam | undefined;
  /** Where the method's weights are one. */
  readonly singularVector: SingularVectorScratch | undefined;
  /** Of a method that masks the input: what the masks are normalised by. */
  readonly maskRanges: BufferSlice | undefined;
  readonly classIndex: BufferSlice;
  /** Of a method with masked copies: the class's score of each. */
  readonly maskedScores: BufferSlice | undefined;
  /**
   * The feature maps, which all classes share, the moments (empty where the method needs no gradient) and the weights. At
   * the input, x is in the place of the feature maps, and the weights are not used.
   */
  readonly weighted: Omit<WeightedMaps, 'samples'>;
  readonly largestScore: BufferSlice;
  /** φ', φ'' and φ''' of each sample's score, where they are not all 1. */
  readonly sampleWeights: BufferSlice | undefined;
  readonly zeroCells: BufferSlice;
  /** The results; a size is that of the values. */
  readonly signed: BufferSlice & { readonly size: number };
  readonly rectified: BufferSlice & { readonly size: number };
}

/** The classes of a batch's samples whose gradients are taken, and their probabilities: [classes, samples], 4 bytes each. */
interface ClassTable {
  readonly index: BufferSlice;
  readonly probabilities: BufferSlice;
}

/** Whether a method is made of the score's second and third derivative, or hands them to somebody. */
function takesHigherDerivatives(method: AnyMethod): boolean {
  const row = methodOf(method);
  if (row.place === 'input') return false;
  return row.weights === 'alpha' || row.weights === 'function' || /\bd[23]\b/.test(row.expression ?? '');
}

/** Whether a softmax's second and third derivatives are wanted, which take the gradient of every class. */
export function needsClassMoments({ method, score }: Pick<ResolvedOptions, 'method' | 'score'>): boolean {
  return takesHigherDerivatives(method) && SCORE_TABLE[score].of === 'log-softmax';
}

/**
 * Refuses second and third derivatives where their formulas, which take the network for piecewise linear, would not be exact.
 *
 * @throws OptionError
 */
export function checkDerivatives(graph: Graph, layer: string, { method }: Pick<ResolvedOptions, 'method'>): void {
  if (!takesHigherDerivatives(method)) return;
  const curved = graph.curvedAfter(layer);
  if (!curved) return;
  const others = METHODS.filter((name) => !takesHigherDerivatives(name));
  throw new OptionError(
    'method',
    methodName(method),
    `one without second and third derivatives (${others.join(', ')}): these are exact only where all layers behind the ` +
      `explained one are piecewise linear, and behind ${layer} ${curved.name} (${curved.op}) is not`,
  );
}

export function runContext(model: Model, plan: Plan, workspace: Workspace): RunContext {
  return {
    traits: model.gpu.traits,
    graph: model.graph,
    parameters: model.parameters,
    plan,
    buffers: plan.bufferBytes.map((bytes, i) => workspace.bytes(`network buffer ${i}`, bytes)),
  };
}

/**
 * A job for each class, in order. Allocates inside the error scopes, so that running out of memory is an error of this
 * call.
 *
 * @param options of each class; they differ in the class alone
 * @param target the layer whose feature maps are weighted, or the model's input
 * @param buffers where each class's WeightedMaps come from, which may outlive the job; all else is lent by `workspace`
 */
export function prepareJobs(
  model: Model,
  options: readonly ResolvedOptions[],
  plan: Plan,
  target: string,
  workspace: Workspace,
  buffers: { readonly shared: Workspace; readonly ofClass: readonly Workspace[] },
): Promise<Job[]> {
  return model.gpu.guard(async () => {
    const [common] = options;
    const { method: name } = common;
    const method = methodOf(name);
    const [maps, height, width] = model.graph.shape(target);
    const cells = height * width;
    const classes = model.classCount;
    const selection =
      method.place === 'layer' ? uploadSelection({ maps, height, width }, common, workspace) : undefined;
    const input = workspace.floats('model input', elementsOf(model.inputShape));
    const hasPath = takesPath(method);
    const baseline =
      method.place === 'input' && (method.factor === 'input' || hasPath)
        ? workspace.filled('baseline', new Float32Array(model.inputShape[0]))
        : undefined;
    const camLayer = method.place === 'input' && takesLayer(method) ? model.resolveLayer(common.layerName) : undefined;
    const camActivations =
      camLayer && workspace.floats("activations of the layer's Grad-CAM", elementsOf(camLayer.shape));
    const shared = {
      context: runContext(model, plan, workspace),
      target,
      classes,
      maps,
      cells,
      selection,
      input,
      range: workspace.floats('input range', 2),
      cleanLogits: workspace.floats('clean logits', classes),
      probabilities: workspace.floats('probabilities', classes),
      copyOverflow: workspace.filled('overflow of the copies', Uint32Array.of(0)),
      factor: baseline && { x: input, baseline },
      cam: undefined,
      path:
        baseline && hasPath
          ? { steps: common.steps, baseline, baselineLogits: workspace.floats('logits of the baseline', classes) }
          : undefined,
      classTable: needsClassMoments(common)
        ? {
            index: workspace.floats('kept classes', classes * plan.rows),
            probabilities: workspace.floats('probabilities of the kept classes', classes * plan.rows),
          }
        : undefined,
      singularVector:
        method.weights === 'singular-vector'
          ? {
              largest: workspace.filled('largest activation', Uint32Array.of(0)),
              gram: workspace.floats('Gram matrix', singularVectorGramFloats({ maps, cells })),
              product: workspace.floats('product with the Gram matrix', maps),
              ended: workspace.floats('end of the power iteration', 1),
            }
          : undefined,
      maskRanges:
        method.masks === 'input' ? workspace.floats('ranges of the masks', maps * MASK_RANGE_FLOATS) : undefined,
    };
    const activations = method.place === 'layer' ? buffers.shared.floats('explained activations', maps * cells) : input;
    const heatMaps = selection?.heatMaps ?? 1;
    const signedMaps = selection?.heatMaps ?? maps;
    return options.map((ofClass, c) => {
      const lasting = buffers.ofClass[c];
      const job: Job = {
        ...shared,
        options: ofClass,
        classIndex: workspace.filled('class', Uint32Array.of(ofClass.classIndex ?? 0)),
        maskedScores: method.masks && workspace.floats('scores of the masked copies', maps),
        weighted: {
          method: name,
          maps,
          height,
          width,
          activations,
          sums: (weightsCells(name) ? lasting : workspace).floats(
            'moment sums',
            method.needsGradient ? maps * cells * MOMENT_FLOATS : 0,
          ),
          weights: lasting.floats('map weights', maps),
        },
        largestScore: workspace.floats('largest score', 1),
        sampleWeights:
          hasPath && common.score === 'exp' ? undefined : prepareSampleWeights(common, plan.rows, workspace),
        zeroCells: workspace.filled('zero cells', Uint32Array.of(0)),
        signed: { ...workspace.floats('signed maps', signedMaps * cells), size: 4 * signedMaps * cells },
        rectified: { ...workspace.floats('maps', heatMaps * cells), size: 4 * heatMaps * cells },
      };
      return camLayer && camActivations ? multipliedByGradCam(job, camLayer, camActivations, workspace) : job;
    });
  });
}

/** A job at the input whose gradient is multiplied with the Grad-CAM of a layer. */
function multipliedByGradCam(
  job: Job,
  { name: target, shape: [maps, height, width] }: ReturnType<Model['resolveLayer']>,
  activations: BufferSlice,
  workspace: Workspace,
): Job {
  const options = { ...job.options, method: 'grad-cam' } as const;
  const cells = height * width;
  const cam: Job = {
    ...job,
    options,
    target,
    maps,
    cells,
    selection: uploadSelection({ maps, height, width }, options, workspace),
    weighted: {
      method: options.method,
      maps,
      height,
      width,
      activations,
      sums: workspace.floats("moment sums of the layer's Grad-CAM", maps * cells * MOMENT_FLOATS),
      weights: workspace.floats("map weights of the layer's Grad-CAM", maps),
    },
    largestScore: workspace.floats("largest score of the layer's Grad-CAM", 1),
    signed: { ...workspace.floats("the layer's signed Grad-CAM", cells), size: 4 * cells },
    rectified: { ...workspace.floats("the layer's Grad-CAM", cells), size: 4 * cells },
  };
  const enlarged = workspace.floats("the layer's enlarged Grad-CAM", job.cells);
  return { ...job, cam: { job: cam, enlarged }, factor: { heat: enlarged } };
}

const ONE_PIXEL: AxisFit = { size: 1, resized: 1, origin: 0, input: 1 };

/** A black pixel through the preprocessing itself, so that a black picture has the very bits of its baseline. */
async function blackBaseline(model: Model, workspace: Workspace, baseline: BufferSlice): Promise<Dispatch[]> {
  const shape = { x: ONE_PIXEL, y: ONE_PIXEL };
  const [pixels, rows] = await model.gpu.guard(async () => [
    workspace.filled('a black pixel', Uint32Array.of(0)),
    workspace.floats('a resized pixel', preprocessRowFloats(shape)),
  ]);
  return [
    resizeRows(shape, { firstRow: 0, rows: 1 }, { pixels, rows }),
    preprocess(shape, model.preprocessing, { rows, input: baseline }),
  ];
}

function prepareSampleWeights(
  { score, sampleWeights }: ResolvedOptions,
  rows: number,
  workspace: Workspace,
): BufferSlice | undefined {
  const count = SAMPLE_WEIGHT_FLOATS * rows;
  switch (SCORE_TABLE[score].outer) {
    case 'identity':
      // φ' = 1, φ'' = φ''' = 0, whatever the sample.
      return workspace.filled(
        'sample weights',
        new Float32Array(count).map((_, i) => (i % SAMPLE_WEIGHT_FLOATS < 2 ? 1 : 0)),
      );
    case 'exp':
      return score === 'softmax' || sampleWeights === 'score' ? workspace.floats('sample weights', count) : undefined;
    case 'sigmoid':
      return workspace.floats('sample weights', count);
  }
}

/** Uploads the picture and gives what turns it into the model's input; a picture beyond a binding goes in bands. */
export async function prepareInput(
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
  const bands = pictureBands(picture, gpu.limits);
  const [pixels, rows] = await gpu.guard(async () => [
    workspace.bytes('picture band', bands[0].rows * rowBytes),
    workspace.floats('resized rows of the picture', preprocessRowFloats(shape)),
  ]);
  const dispatches: Dispatch[] = [];
  for (const band of bands) {
    // The band before must have been read before this one is written over it.
    if (dispatches.length > 0) await gpu.run(dispatches.splice(0));
    gpu.write(pixels.buffer, picture.data.subarray(band.firstRow * rowBytes, (band.firstRow + band.rows) * rowBytes));
    dispatches.push(resizeRows(shape, band, { pixels, rows }));
  }
  dispatches.push(preprocess(shape, model.preprocessing, { rows, input }));
  return { dispatches, view: viewOf(shape) };
}

/** What the samples of all batches are made of, once the picture is in `input`. */
export async function prepareSamples(model: Model, job: Job, workspace: Workspace): Promise<Dispatch[]> {
  const { context, input, path: line, range, options } = job;
  if (!line) return [inputRange(elementsOf(context.graph.input.shape), { x: input, range })];
  // The training set's mean colour is zero, which the baseline is already.
  return options.baseline === 'black' ? blackBaseline(model, workspace, line.baseline) : [];
}

/** One batch, from the noise to the logits. */
export function forwardBatch([job]: readonly Job[], batch: Batch): Dispatch[] {
  const { steps } = job.context.plan;
  const seed = seedStep(job);
  return steps.slice(0, seed < 0 ? undefined : seed).flatMap((step) => forwardDispatches(job, step, batch));
}

/** The way back of one batch behind forwardBatch(), for each class: from its score to the moments. */
export function backwardBatch(jobs: readonly Job[], batch: Batch): Dispatch[] {
  if (batch.gradients === 0) return [];
  return jobs.flatMap((job) =>
    waysBack(job, batch, seedDispatch(job, batch), (target) =>
      addMoments(target === job.target ? job : (job.cam as Cam).job, batch),
    ),
  );
}

/** What a sum over all classes takes of a batch's samples. */
export interface KeptClasses {
  /** The most that a sample takes. */
  readonly keptClasses: number;
  /** The largest probability that a sample's other classes have together. */
  readonly droppedMass: number;
}

/**
 * Reads the logits that forwardBatch() made and writes down, for each sample, the classes whose gradients it takes: they
 * depend on its own probabilities alone, not on the other samples of its batch.
 */
export async function chooseClasses(job: Job, batch: Batch): Promise<KeptClasses> {
  const { context, classes, options } = job;
  const { gpu } = context.parameters;
  const table = job.classTable as ClassTable;
  const rows = batch.gradients;
  if (rows === 0) return { keptClasses: 0, droppedMass: 0 };
  const logits = activationSlice(context, context.graph.logits.name);
  const values = await gpu.readFloats({ ...logits, size: 4 * rows * classes });
  const chosen = Array.from({ length: rows }, (_, row) =>
    probableClasses(values.subarray(row * classes, (row + 1) * classes), options.maxDroppedShare),
  );
  const most = Math.max(...chosen.map(({ classes: kept }) => kept.length));
  // Samples that take fewer have classes of probability 0, which add nothing.
  const index = new Uint32Array(most * rows);
  const probabilities = new Float32Array(most * rows);
  for (const [row, kept] of chosen.entries()) {
    for (const [rank, classIndex] of kept.classes.entries()) {
      index[rank * rows + row] = classIndex;
      probabilities[rank * rows + row] = kept.probabilities[rank];
    }
  }
  gpu.write(table.index.buffer, index);
  gpu.write(table.probabilities.buffer, probabilities);
  return { keptClasses: most, droppedMass: Math.max(...chosen.map(({ droppedMass }) => droppedMass)) };
}

/** The ways back of the classes that chooseClasses() wrote down, which all explained classes share. */
export function classMomentsBatch(job: Job, batch: Batch, { keptClasses }: KeptClasses): Dispatch[] {
  const { context, classes, maps, cells } = job;
  const { index, probabilities } = job.classTable as ClassTable;
  const samples = batch.gradients;
  const logits = activationSlice(context, context.graph.logits.name);
  const y = gradientSlice(context, context.graph.logits.name);
  const grad = gradientSlice(context, job.target);
  const sums = tensorSlice(context, tensorName.classMoments);
  return Array.from({ length: keptClasses }, (_, rank) => {
    const first = rank * samples;
    const add = { grad, probabilities, moments: sums, first, restart: rank === 0 };
    return waysBack(job, batch, logSoftmaxGradInput(classes, samples, { logits, index, y, first }), () => [
      classMoments(maps * cells, samples, add),
    ]);
  }).flat();
}

function seedStep({ context }: Job): number {
  return context.plan.steps.findIndex(({ kind }) => kind === 'seed');
}

function forwardDispatches(job: Job, step: Step, batch: Batch): Dispatch[] {
  const { context, classes } = job;
  const rows = batch.noisy + batch.clean;
  const logits = activationSlice(context, context.graph.logits.name);
  switch (step.kind) {
    case 'input':
      return [job.path ? pathDispatch(job, job.path, batch) : noiseDispatch(job, batch)];
    case 'forward':
      return forwardStep(context, step, rows);
    case 'mask':
      return batch.gradients > 0 ? [maskStep(context, step.node, batch.gradients)] : [];
    case 'capture':
      return captureActivations(job.cam?.job ?? job, batch);
    case 'logits':
      return [
        ...(batch.noisy > 0 ? [overflow(batch.noisy * classes, { x: logits, flag: job.copyOverflow })] : []),
        ...(job.path ? baselineScores(job, job.path, batch, logits) : []),
        ...(batch.clean ? cleanScores(job, batch.noisy, logits) : []),
      ];
    default:
      throw new Error(`${step.kind} is no step of the forward pass`);
  }
}

/** From a gradient of the logits to that of each target. @param end what is done with it there */
function waysBack(job: Job, batch: Batch, seed: Dispatch, end: (target: string) => readonly Dispatch[]): Dispatch[] {
  const { context } = job;
  return context.plan.steps.slice(seedStep(job)).flatMap((step) => {
    switch (step.kind) {
      case 'seed':
        return [seed];
      case 'relu-gradient':
        return [reluGradientStep(context, step, batch.gradients)];
      case 'gradient':
        return gradientStep(context, step, batch.gradients);
      case 'moments':
        return [...end(step.target)];
      default:
        throw new Error(`${step.kind} is no step of the backward pass`);
    }
  });
}

/** The gradient of what the score is a function of: the class's logit, or the logarithm of its softmax. */
function seedDispatch({ context, classes, classIndex: index, options }: Job, batch: Batch): Dispatch {
  const name = context.graph.logits.name;
  const y = gradientSlice(context, name);
  return SCORE_TABLE[options.score].of === 'logit'
    ? oneHot(classes, batch.gradients, { index, y })
    : logSoftmaxGradInput(classes, batch.gradients, { logits: activationSlice(context, name), index, y });
}

function noiseDispatch({ context, options, input, range }: Job, batch: Batch): Dispatch {
  const { seed, stdDev, noiseScale } = options;
  return noise(elementsOf(context.graph.input.shape), { seed, stdDev, relative: noiseScale === 'relative' }, batch, {
    x: input,
    range,
    y: activationSlice(context, context.graph.input.name),
  });
}

function pathDispatch({ context, input }: Job, { steps, baseline }: PathJob, batch: Batch): Dispatch {
  const [channels, height, width] = context.graph.input.shape;
  const rows = { firstPoint: batch.firstSample, points: batch.noisy, clean: batch.clean };
  const y = activationSlice(context, context.graph.input.name);
  return path({ channels, cells: height * width, steps }, rows, { x: input, baseline, y });
}

/** Those of the baseline itself, which is the sample behind the last point. */
function baselineScores(
  { classes }: Job,
  { steps, baselineLogits }: PathJob,
  batch: Batch,
  x: BufferSlice,
): Dispatch[] {
  const row = steps - batch.firstSample;
  return row >= 0 && row < batch.noisy ? [copySample(classes, row, { x, total: baselineLogits })] : [];
}

/** Keeps the feature maps that the final sum will weight: the clean picture's, or the mean of the noisy ones. */
function captureActivations(job: Job, batch: Batch): Dispatch[] {
  const { context, options, maps, cells } = job;
  const buffers = { x: activationSlice(context, job.target), total: job.weighted.activations };
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

function addMoments(job: Job, batch: Batch): Dispatch[] {
  const restart = batch.firstSample === 0;
  return [...sampleWeightDispatches(job, batch, restart), momentsDispatch(job, batch, job.weighted.sums, restart)];
}

/** The derivatives of the outer function, where they depend on the sample. */
function sampleWeightDispatches(job: Job, batch: Batch, restart: boolean): Dispatch[] {
  const { context, options, classes, sampleWeights, classIndex: index, largestScore: largest } = job;
  if (!sampleWeights) return [];
  const logits = activationSlice(context, context.graph.logits.name);
  switch (options.score) {
    case 'exp':
      return [momentWeights(classes, batch.gradients, { logits, index, largest, sampleWeights, restart })];
    case 'sigmoid':
    case 'softmax':
      return [scoreDerivatives(options.score, classes, batch.gradients, { logits, index, sampleWeights })];
    default:
      return [];
  }
}

function momentsDispatch(job: Job, batch: Batch, sums: BufferSlice, restart: boolean): Dispatch {
  const { context, target, maps, cells, sampleWeights, classTable } = job;
  const grad = gradientSlice(context, target);
  const ofClasses = classTable && tensorSlice(context, tensorName.classMoments);
  return moments(maps * cells, batch.gradients, { grad, sums, sampleWeights, classMoments: ofClasses, restart });
}

/**
 * From the moments, or the feature maps alone, to the map.
 *
 * @param samples noisy copies that the moments hold; 0: the clean picture's own gradient
 */
export function mapDispatches(job: Job, samples: number): Dispatch[] {
  const weighted = { ...job.weighted, samples: Math.max(1, samples) };
  if (!job.selection)
    return [...(job.cam ? enlargedGradCam(job, job.cam, samples) : []), attributionDispatch(job, weighted)];
  return [...weightDispatches(job, weighted), heatMapDispatch(weighted, job.selection, job)];
}

function enlargedGradCam({ weighted }: Job, { job: cam, enlarged }: Cam, samples: number): Dispatch[] {
  const { height, width } = cam.weighted;
  const size = { outHeight: weighted.height, outWidth: weighted.width };
  return [
    ...mapDispatches(cam, samples),
    upsample({ maps: 1, height, width }, size, { x: cam.rectified, y: enlarged }),
  ];
}

/** The map of one batch alone, from its own moments; its weights and the map go where `own` says. */
export function batchMapDispatches(
  job: Job,
  batch: Batch,
  own: Pick<WeightedMaps, 'sums' | 'weights'> & Pick<Job, 'zeroCells' | 'signed' | 'rectified'>,
): Dispatch[] {
  const ofBatch = { ...job, ...own, weighted: { ...job.weighted, sums: own.sums, weights: own.weights } };
  return [momentsDispatch(job, batch, own.sums, true), ...mapDispatches(ofBatch, batch.gradients)];
}

/** What the values of the input add, from the moments of the gradient there. */
function attributionDispatch(
  { options, maps: channels, cells, factor, signed, rectified }: Job,
  { sums, samples }: WeightedMaps,
): Dispatch {
  const { reduce } = methodOf(options.method) as InputMethod;
  return attribution({ channels, cells, samples }, reduce, { sums, signed, map: rectified }, factor);
}

/** What the method weights the feature maps with; for those that weight cells the moments are enough. */
function weightDispatches(job: Job, weighted: WeightedMaps): Dispatch[] {
  const { options, zeroCells, maps, cells, singularVector: scratch, maskRanges: ranges, maskedScores: scores } = job;
  const { cleanLogits, classIndex: index } = job;
  const shape = { maps, cells, samples: weighted.samples };
  const { weights: kind, expression, needsGradient } = methodOf(options.method);
  const name = methodName(options.method);
  switch (kind) {
    case 'mean-gradient':
      return [meanGradientWeights(shape, weighted)];
    case 'alpha':
      return [alphaWeights(shape, options.alphaNumerator, { ...weighted, zeroCells })];
    case 'activation-share':
      return [activationShareWeights(shape, weighted)];
    case 'gradient':
    case 'positive-gradient':
      return [];
    case 'expression': {
      const sums = needsGradient ? weighted.sums : undefined;
      return [expressionWeights(shape, { name, text: expression as string }, { ...weighted, sums })];
    }
    case 'cell-expression':
      // What the expression calls sum_a.
      return [expressionWeights(shape, { name, text: 'a' }, { ...weighted, sums: undefined })];
    case 'function':
      // weighByFunction() has written them.
      return [];
    case undefined:
      throw new Error(`${name} weights no feature maps`);
    case 'singular-vector': {
      const { activations, weights: vector } = weighted;
      return singularVector(shape, { activations, vector, ...(scratch as SingularVectorScratch) });
    }
    case 'masked-scores': {
      const { weights } = weighted;
      return [maskedScoreWeights(maps, { scores: scores as BufferSlice, ranges: ranges as BufferSlice, weights })];
    }
    case 'score-drop': {
      const { weights } = weighted;
      return [scoreDropWeights(maps, { scores: scores as BufferSlice, logits: cleanLogits, index, weights })];
    }
  }
}

/**
 * Asks the method's function for the weights of the feature maps, by what the moments hold by now.
 *
 * @throws OptionError for weights that are none; whatever the function throws
 */
export async function weighByFunction(
  { context, options, target, weighted, maps }: Job,
  samples: number,
): Promise<void> {
  const { gpu } = context.parameters;
  const { name, weights: weigh } = options.method as CustomMethod;
  const held = await holdLayer(gpu, target, { ...weighted, samples: Math.max(1, samples) });
  try {
    const weights = await (weigh as WeightsFunction)(held.layer);
    const areNumbers = weights instanceof Float32Array && weights.every(Number.isFinite);
    if (!areNumbers || weights.length !== maps) {
      throw new OptionError(`the weights by ${name}`, weights, `a Float32Array of ${maps} finite numbers, one a map`);
    }
    gpu.write(weighted.weights.buffer, weights);
  } finally {
    held.release();
  }
}

/** The one read-back, for all classes. */
export async function readResults(jobs: readonly Job[]): Promise<Omit<RawResult, keyof KeptClasses>[]> {
  const words = (slice: BufferSlice, count: number): BufferSlice => ({ ...slice, size: 4 * count });
  const [{ context, classes, cleanLogits, probabilities, copyOverflow, path: line }] = jobs;
  const [logits, shares, overflowed, ...ofClasses] = await context.parameters.gpu.read([
    words(cleanLogits, classes),
    words(probabilities, classes),
    words(copyOverflow, 1),
    ...jobs.flatMap(({ rectified, signed, classIndex, zeroCells }) => [
      rectified,
      signed,
      words(classIndex, 1),
      words(zeroCells, 1),
    ]),
    ...(line ? [words(line.baselineLogits, classes)] : []),
  ]);
  return jobs.map((_, c) => {
    const [rectified, signed, classIndex, zeroCells] = ofClasses.slice(4 * c, 4 * c + 4);
    return {
      rectified: new Float32Array(rectified),
      signed: new Float32Array(signed),
      logits: new Float32Array(logits),
      probabilities: new Float32Array(shares),
      classIndex: new Uint32Array(classIndex)[0],
      zeroCells: new Uint32Array(zeroCells)[0],
      copyOverflow: new Uint32Array(overflowed)[0] === 1,
      baselineLogits: line && new Float32Array(ofClasses[4 * jobs.length]),
    };
  });
}
