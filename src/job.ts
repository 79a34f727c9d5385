/** One explanation on the GPU: what its batches share, from the buffers to the picture as the network takes it. */
import { type Selection, uploadSelection, type WeightedMaps, weightsCells } from './cam/kept-maps.ts';
import { type AnyMethod, methodOf } from './custom-method.ts';
import type { Completeness, ReadResult } from './explanation.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Workspace } from './gpu/workspace.ts';
import { pictureBands } from './image/bands.ts';
import { fitPicture, type View, viewOf } from './image/fit.ts';
import type { Picture } from './image/picture.ts';
import { type LayerMethodRow, METHODS } from './methods.ts';
import type { Model } from './model.ts';
import type { ClassWeightsScratch } from './network/class-weights.ts';
import { elementsOf, type Graph } from './network/graph.ts';
import type { Plan } from './network/plan.ts';
import type { RunContext } from './network/run.ts';
import type { Batch } from './network/split.ts';
import { onDemand } from './on-demand.ts';
import type { AttributionFactor } from './ops/attribution.ts';
import type { expressionMap } from './ops/map.expression.ts';
import { MOMENT_FLOATS } from './ops/moments.ts';
import { inputRange } from './ops/noise.ts';
import { type PreprocessShape, preprocess, preprocessRowFloats, resizeRows } from './ops/preprocess.ts';
import type { SingularVectorScratch } from './ops/singular-vector.ts';
import type { Fit, ResolvedOptions } from './options.ts';
import { SCORE_VARIABLES } from './scores.ts';

/** Of integrated gradients: the points that are in place of noisy copies. */
export interface PathJob {
  readonly steps: number;
  readonly baseline: BufferSlice;
  readonly baselineLogits: BufferSlice;
}

/** Of guided Grad-CAM: the Grad-CAM of its layer. */
export interface Cam {
  /** At the layer, on a way back of its own from the same samples. */
  readonly job: Job;
  /** Its map at the size of the input. */
  readonly enlarged: BufferSlice;
}

/**
 * One class's explanation at one layer. Those of a call share the forward passes, and with them all buffers but those of their
 * class, `classIndex`, and those behind it, which are their own; those of a layer share its feature maps.
 */
export interface Job {
  readonly context: RunContext;
  readonly options: ResolvedOptions;
  /** The layer whose feature maps are weighted, or the model's input. */
  readonly target: string;
  readonly classes: number;
  /** K and the cells of one of the layer's maps; of the input, its channels and the cells of one of them. */
  readonly maps: number;
  readonly cells: number;
  readonly parts: JobParts;
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
  readonly factor?: AttributionFactor;
  readonly path?: PathJob;
  /** Where the score's derivatives take the gradients of many classes. */
  readonly classTable: ClassTable | undefined;
  readonly cam?: Cam;
  /** The clean picture's feature maps, where α takes them and the weighted sum others. */
  readonly cleanActivations: BufferSlice | undefined;
  /** Where the method's weights are those of the class in the network's last layer. */
  readonly classWeights?: ClassWeightsScratch;
  /** Where the method's weights are one. */
  readonly singularVector?: SingularVectorScratch;
  /** Of a method that masks the input: what the masks are normalised by. */
  readonly maskRanges?: BufferSlice;
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
  /** Where α weights the last sample's gradient. */
  readonly lastGradient: BufferSlice | undefined;
  readonly zeroCells: BufferSlice;
  /** The results; a size is that of the values. */
  readonly signed: BufferSlice & { readonly size: number };
  readonly rectified: BufferSlice & { readonly size: number };
}

/** The classes of a batch's samples whose gradients are taken, and their probabilities: [classes, samples], 4 bytes each. */
export interface ClassTable {
  readonly index: BufferSlice;
  readonly probabilities: BufferSlice;
}

/** What a sum over all classes takes of a batch's samples. */
export interface KeptClasses {
  /** The most that a sample takes. */
  readonly keptClasses: number;
  /** The largest probability that a sample's other classes have together. */
  readonly droppedMass: number;
}

/** What is loaded with the first call that takes more than a Grad-CAM at a layer does; see parts.ts. */
export interface JobParts {
  readonly otherScores?: OtherScores;
  readonly otherWeights?: OtherWeights;
  readonly atInput?: AtInput;
}

/** Scores whose derivatives are not the powers of the gradient of a logit, all samples alike. */
export interface OtherScores {
  /** Room for φ', φ'' and φ''' of each row's score, where they are not all 1. */
  prepareSampleWeights(options: ResolvedOptions, rows: number, workspace: Workspace): BufferSlice | undefined;
  /** φ', φ'' and φ''' of a batch's samples, where they depend on the sample. */
  sampleWeightDispatches(job: Job, batch: Batch): Dispatch[];
  /** The gradient of log p. */
  logSoftmaxSeed(job: Job, batch: Batch): Dispatch;
}

/** Weights of the feature maps that are made in other ways than those of the Grad-CAMs. */
export interface OtherWeights {
  /** What they are made in, of one layer. */
  weightsScratch(
    method: LayerMethodRow,
    context: RunContext,
    shape: { maps: number; cells: number },
    workspace: Workspace,
  ): Pick<Job, 'classWeights' | 'singularVector' | 'maskRanges'>;
  otherWeights(job: Job, weighted: WeightedMaps): Dispatch[];
  readonly expressionMap: typeof expressionMap;
}

/** Methods that attribute the score to the values of the input. */
export interface AtInput {
  /** What the jobs of a call have besides: all together, and each by itself. */
  prepareJobs(
    model: Model,
    options: ResolvedOptions,
    input: BufferSlice,
    workspace: Workspace,
  ): { readonly shared: Pick<Job, 'factor' | 'path'>; complete(job: Job): Job };
  /** The Grad-CAM of the layer, from its map to the size of the input. */
  enlargeGradCam(job: Job, cam: Cam): Dispatch;
  /** A black pixel through the preprocessing itself, so that a black picture has the very bits of its baseline. */
  blackBaseline(model: Model, workspace: Workspace, baseline: BufferSlice): Promise<Dispatch[]>;
  /** The points of a batch, in place of noisy copies. */
  pathDispatch(job: Job, path: PathJob, batch: Batch): Dispatch;
  /** The scores of the baseline itself, which is the sample behind the last point. */
  baselineScores(job: Job, path: PathJob, batch: Batch, logits: BufferSlice): Dispatch[];
  /** What the values of the input add, from the moments of the gradient there. */
  attributionDispatch(job: Job, weighted: WeightedMaps): Dispatch;
  /** How exact a path's sum over its points is; undefined for methods without a path. */
  completenessOf(result: ReadResult, options: ResolvedOptions): Completeness | undefined;
}

/** A part that a job cannot do without. */
export function partOf<Name extends keyof JobParts>({ parts }: Pick<Job, 'parts'>, name: Name) {
  const part = parts[name];
  if (!part) throw new Error(`${name} is not loaded`);
  return part;
}

/** Whether a method is made of the score's second and third derivative, or hands them to somebody. */
function takesHigherDerivatives(method: AnyMethod): boolean {
  const row = methodOf(method);
  if (row.place === 'input') return false;
  return row.weights === 'alpha' || row.weights === 'function' || /\bd[23]\b/.test(row.expression ?? '');
}

/** Whether a softmax's second and third derivatives are wanted, which take the gradient of every class. */
export function needsClassMoments({ method, score }: Pick<ResolvedOptions, 'method' | 'score'>): boolean {
  return takesHigherDerivatives(method) && SCORE_VARIABLES[score] === 'log-softmax';
}

/** Whether α weights the gradient of the last noisy copy alone. */
export function weightsLastGradient({
  method,
  nSamples,
  alphaGradient,
}: Pick<ResolvedOptions, 'method' | 'nSamples' | 'alphaGradient'>): boolean {
  return methodOf(method).weights === 'alpha' && nSamples > 0 && alphaGradient === 'last';
}

/**
 * Refuses second and third derivatives where their formulas, which take the network for piecewise linear, would not be exact.
 *
 * @throws OptionError, LoadError, AbortError
 */
export async function checkDerivatives(
  graph: Graph,
  layer: string,
  { method }: Pick<ResolvedOptions, 'method'>,
  signal?: AbortSignal,
): Promise<void> {
  const curved = takesHigherDerivatives(method) ? graph.curvedAfter(layer) : undefined;
  if (!curved) return;
  const { curvedBehind } = await onDemand('what refuses derivatives', () => import('./refusals.ts'), signal);
  const others = METHODS.filter((name) => !takesHigherDerivatives(name));
  throw curvedBehind(layer, curved, method, others);
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

/** Where the parts of a job come from that may outlive it: the feature maps, and what weights them. */
export interface LastingParts {
  /** Of all jobs of the layer. */
  readonly activations: Workspace;
  readonly weights: Workspace;
}

/**
 * A job for each of `asked`, in order. Allocates inside the error scopes, so that running out of memory is an error of this
 * call.
 *
 * @param asked options in force; they differ in class and layer alone
 * @param targets the layer of each whose feature maps are weighted, or the model's input
 * @param lasting of each; all else is lent by `workspace`
 * @param parts those that the method takes
 */
export function prepareJobs(
  model: Model,
  asked: readonly ResolvedOptions[],
  plan: Plan,
  targets: readonly string[],
  workspace: Workspace,
  lasting: readonly LastingParts[],
  parts: JobParts,
): Promise<Job[]> {
  return model.gpu.guard(async () => {
    const [common] = asked;
    const { method: name } = common;
    const method = methodOf(name);
    const classes = model.classCount;
    const input = workspace.floats('model input', elementsOf(model.inputShape));
    const byInput = parts.atInput?.prepareJobs(model, common, input, workspace);
    const shared = {
      parts,
      context: runContext(model, plan, workspace),
      classes,
      input,
      range: workspace.floats('input range', 2),
      cleanLogits: workspace.floats('clean logits', classes),
      probabilities: workspace.floats('probabilities', classes),
      copyOverflow: workspace.filled('overflow of the copies', Uint32Array.of(0)),
      ...byInput?.shared,
      classTable: needsClassMoments(common)
        ? {
            index: workspace.floats('kept classes', classes * plan.rows),
            probabilities: workspace.floats('probabilities of the kept classes', classes * plan.rows),
          }
        : undefined,
    };
    const ofLayer = once((target: string, { activations }: LastingParts) => {
      const [maps, height, width] = model.graph.shape(target);
      const cells = height * width;
      return {
        shape: { maps, height, width },
        activations: method.place === 'layer' ? activations.floats('explained activations', maps * cells) : input,
        shared: {
          target,
          maps,
          cells,
          selection: method.place === 'layer' ? uploadSelection({ maps, height, width }, common, workspace) : undefined,
          cleanActivations:
            method.weights === 'alpha' && common.nSamples > 0 && common.activations === 'last'
              ? workspace.floats('activations of the clean picture', maps * cells)
              : undefined,
          ...(method.place === 'layer' &&
            parts.otherWeights?.weightsScratch(method, shared.context, { maps, cells }, workspace)),
        },
      };
    });
    const classBuffer = once((classIndex: number | undefined) =>
      workspace.filled('class', Uint32Array.of(classIndex ?? 0)),
    );
    return asked.map((options, i) => {
      const { activations, shape, shared: layer } = ofLayer(targets[i], lasting[i]);
      const { maps, cells, selection } = layer;
      const heatMaps = selection?.heatMaps ?? 1;
      const signedMaps = selection?.heatMaps ?? maps;
      const job: Job = {
        ...shared,
        ...layer,
        options,
        classIndex: classBuffer(options.classIndex),
        maskedScores: method.masks && workspace.floats('scores of the masked copies', maps),
        weighted: {
          method: name,
          ...shape,
          activations,
          sums: (weightsCells(name) ? lasting[i].weights : workspace).floats(
            'moment sums',
            method.needsGradient ? maps * cells * MOMENT_FLOATS : 0,
          ),
          weights: lasting[i].weights.floats('map weights', maps),
        },
        largestScore: workspace.floats('largest score', 1),
        sampleWeights: parts.otherScores?.prepareSampleWeights(common, plan.rows, workspace),
        lastGradient: weightsLastGradient(common)
          ? workspace.floats('gradient of the last sample', maps * cells)
          : undefined,
        zeroCells: workspace.filled('zero cells', Uint32Array.of(0)),
        signed: { ...workspace.floats('signed maps', signedMaps * cells), size: 4 * signedMaps * cells },
        rectified: { ...workspace.floats('maps', heatMaps * cells), size: 4 * heatMaps * cells },
      };
      return byInput ? byInput.complete(job) : job;
    });
  });
}

/** Makes a thing for each name when it is first asked for, and gives the same one later. */
function once<Name, Rest extends unknown[], Thing>(make: (name: Name, ...rest: Rest) => Thing) {
  const made = new Map<Name, Thing>();
  return (name: Name, ...rest: Rest): Thing => {
    if (!made.has(name)) made.set(name, make(name, ...rest));
    return made.get(name) as Thing;
  };
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
  return options.baseline === 'black' ? partOf(job, 'atInput').blackBaseline(model, workspace, line.baseline) : [];
}
