/**
 * The options of an explanation: their types, their defaults and their checks, in one place for the API and the
 * command line. Names follow the paper (Omeiza et al. 2019) where it has one.
 */
import { type AnyMethod, defineMethod, methodName, methodOf } from './custom-method.ts';
import { OptionError } from './errors.ts';
import { METHODS, needsPooledLayer, takesLayer, takesPath } from './methods.ts';
import { checkOptionNames, type OptionNames } from './option-names.ts';
import {
  ACTIVATIONS,
  ALPHA_DENOMINATORS,
  ALPHA_GRADIENTS,
  ALPHA_GUARDS,
  ALPHA_NORMALIZATIONS,
  ALPHA_NUMERATORS,
  type Conventions,
  PRESETS,
  type PresetName,
  presetOptions,
  USUAL_CONVENTIONS,
} from './presets.ts';
import { SCORE_TABLE, SCORES, type ScoreName } from './scores.ts';

export const FITS = ['squash', 'crop', 'pad'] as const;
/**
 * How a picture is brought to the model's input size: 'squash' resizes each axis on its own, 'crop' takes the centre,
 * 'pad' adds a border.
 */
export type Fit = (typeof FITS)[number];

export const BASELINES = ['black', 'mean'] as const;
export type Baseline = (typeof BASELINES)[number];

/** A cell of a feature map: [row, column], from 0. */
export type Cell = readonly [row: number, column: number];

/** How explain() makes a map, and how it goes about it. */
export interface ExplainOptions {
  /** One of METHODS, or one that defineMethod() made. Default 'smooth-grad-cam++'. */
  method?: AnyMethod;
  /**
   * Layer whose feature maps are weighted, after its ReLU. Default: the network's last convolution; for CAM the one layer that
   * it can explain. Not for methods at the input, but Guided Grad-CAM.
   */
  layerName?: string;
  /** n, the number of noisy copies. 0 (default) takes the clean picture's own gradient, which is Grad-CAM++. */
  nSamples?: number;
  /** σ of the noise, ≥ 0, in the unit that `noiseScale` says. Default 0.15. */
  stdDev?: number;
  /** 'relative' (default): σ = stdDev · (max x − min x) of the model's input; 'absolute': in the input's own units. */
  noiseScale?: 'relative' | 'absolute';
  /** Seed of the noise, an integer in 0 … 2^53 − 1. Default 0. */
  seed?: number;
  /**
   * Integrated gradients: points on the line from the baseline to the picture. The more, the closer the sum of what the values
   * add comes to what the score gains; see `completeness`. Default 50.
   */
  steps?: number;
  /**
   * Integrated gradients: where the line begins, at a picture that is 'black' (default) or of the training set's 'mean' colour
   * (a network input of zeros).
   */
  baseline?: Baseline;
  /**
   * Y, the function of the logits that is differentiated: 'exp' (default), e^S of the class logit S; 'logit', S itself;
   * 'sigmoid' of S; 'softmax', the class's probability p; 'log-softmax', log p. See SCORE_TABLE for the derivatives. Methods
   * with α divide by the second and third one: 'logit' has none, which leaves nothing of α (outcome 'degenerate').
   */
  score?: ScoreName;
  /**
   * ε, at least 0 and below 1, for softmax and log-softmax with a method with α, which need the gradient of every class: the
   * least probable classes are left out as long as their probabilities sum to at most ε times those of all classes but the most
   * probable one. 0 leaves out none. Default 0.001.
   */
  maxDroppedShare?: number;
  /** ω of each sample with score 'exp': 'uniform' (default) or 'score', ω = e^(S − max S). Other scores take 'uniform' only. */
  sampleWeights?: 'uniform' | 'score';
  /**
   * One of PRESETS: reproduces the arithmetic of another program by setting the method, the score and every option from
   * `alphaNumerator` to `activations`, for torch-cam those of the noise, too. An option that is given beside it wins.
   * Default: none, the arithmetic of the papers.
   */
  preset?: PresetName;
  /** Numerator of α: 'second' (default, Eq. 5) or 'first' derivative (Eq. 7 as printed). */
  alphaNumerator?: Conventions['alphaNumerator'];
  /**
   * Denominator of α: 'cell' (default), 2 D2 + G D3 with G = Σ_ab A; 'sum', 2 D2 + Σ_ab A D3, one sum for all cells of a map;
   * 'none', which leaves α the numerator alone.
   */
  alphaDenominator?: Conventions['alphaDenominator'];
  /** ε that is added to the denominator of α, 0 (default) to 1, in units of the squared gradient. */
  alphaEpsilon?: number;
  /** Cells that keep their α: those whose denominator is above zero ('positive', default), or any but zero ('nonzero'). */
  alphaGuard?: Conventions['alphaGuard'];
  /**
   * What α is divided by: nothing (default); its sum over the map ('all'), or over the cells whose gradient is above zero
   * ('positive-gradient'). A sum of zero divides nothing.
   */
  alphaNormalization?: Conventions['alphaNormalization'];
  /** The gradient whose positive part α weights: the 'mean' over the noisy copies (default), or that of the 'last' one alone. */
  alphaGradient?: Conventions['alphaGradient'];
  /**
   * Feature maps in the weighted sum: the clean picture's (default), the 'mean' over the noisy copies, or those of the 'last'
   * copy. In α stands the clean picture's G, with 'mean' that of the mean.
   */
  activations?: Conventions['activations'];
  /** Only these feature maps, by index. Default: all of them, summed into one map. */
  filters?: readonly number[];
  /** With `filters`: one map for each (default), or one map of their sum. */
  combineFilters?: 'each' | 'sum';
  /** true: `subset` holds two corners of a box, both included; false (default): it lists single cells. */
  region?: boolean;
  /** Cells of the feature map that enter the weighted sum; the others count as zero. Default: all. */
  subset?: readonly Cell[];
  /** The class to explain. Default: the most probable class of the clean picture. */
  classIndex?: number;
  /**
   * Why the class rather than this one: its logit is subtracted, S_a − S_b takes the place of S in the score, exp, logit or
   * sigmoid. With sigmoid, Y is p_a / (p_a + p_b). For methods that take the score's gradient, and for CAM. Of a class and itself nothing is left.
   * Default: none.
   */
  contrast?: number;
  /** How the picture is brought to the model's input size. Default 'squash'. */
  fit?: Fit;
  /** Upper bound on the samples per dispatch; the result has the same bits whatever it is. Default: the device's limits. */
  batch?: number;
  /** How many predictions to return. Default 5. */
  topK?: number;
  /** Measures the time on the GPU with timestamp queries, as `timings.gpu`, where the device has them. Default false. */
  timestamps?: boolean;
  /**
   * Keeps the feature maps and their weights on the GPU, for the result's combine() and topFilters(): true until its
   * release(); false not at all; by default while the result is one of the last few.
   */
  keep?: boolean;
  /**
   * Kernels to take where the device can, as `provenance.kernels` of a result has them: kernels round differently, and a map
   * made again on another adapter would differ in its last bits. Default: what is fastest, by timings or by rule.
   */
  kernels?: KernelChoices;
  /** Stops the work between two batches with an AbortError. */
  signal?: AbortSignal;
  /** Called after each batch, and within one as far as is known. */
  onProgress?: (progress: ExplainProgress) => void;
}

/** Which feature maps and cells a heat map is made of: the paper's list of feature maps, region and neurons. */
export type SelectionOptions = Pick<ExplainOptions, 'filters' | 'combineFilters' | 'region' | 'subset'>;
export type ResolvedSelection = Pick<ResolvedOptions, 'filters' | 'combineFilters' | 'region' | 'subset'>;

/** For several classes in one call, an explanation each. */
export interface ExplainClassesOptions extends Omit<ExplainOptions, 'classIndex'> {
  /** The classes to explain, at least one, none twice. */
  classIndex: readonly number[];
}

/** How maps of several layers can become one; see fuseMaps(). */
export const FUSIONS = ['mean', 'max', 'product'] as const;
/** One of FUSIONS. */
export type Fusion = (typeof FUSIONS)[number];

/** For several layers in one call, an explanation each: layer by layer, with several classes class by class. */
export interface ExplainLayersOptions extends Omit<ExplainOptions, 'layerName' | 'classIndex'> {
  /** Names or aliases of layers, at least one, none twice. */
  layerName: readonly string[];
  /** As in ExplainOptions and in ExplainClassesOptions. */
  classIndex?: number | readonly number[];
  /** None: with one, see FusionOptions. */
  fusion?: undefined;
}

/** For several layers in one call, one explanation made of their maps. Not for methods at the input. */
export interface FusionOptions extends Omit<ExplainOptions, 'layerName' | keyof SelectionOptions> {
  /** Names or aliases of layers, at least one, none twice. */
  layerName: readonly string[];
  /** How the layers' maps become one; see fuseMaps(). */
  fusion: Fusion;
}

/** For several layers and several classes in one call, an explanation for each class. */
export interface FusionClassesOptions extends Omit<FusionOptions, 'classIndex'> {
  /** The classes to explain, at least one, none twice. */
  classIndex: readonly number[];
}

/** What explain() takes. */
export type AnyExplainOptions =
  | ExplainOptions
  | ExplainClassesOptions
  | ExplainLayersOptions
  | FusionOptions
  | FusionClassesOptions;

/** What was in force where the maps of several layers were fused. */
export type FusedOptions = Omit<ResolvedOptions, 'layerName'> & Pick<FusionOptions, 'layerName' | 'fusion'>;

/** Names of kernels by convolution. */
export type KernelChoices = Readonly<Record<string, KernelChoice>>;

/** Names of a convolution's kernels by direction. */
export interface KernelChoice {
  /** From its input to its output. */
  readonly forward?: string;
  /** From the gradient of its output to that of its input. */
  readonly 'grad-input'?: string;
}

/** Those of ResolvedOptions, then those that do not change the result. */
const EXPLAIN_OPTIONS: OptionNames<ExplainOptions & Pick<FusionOptions, 'fusion'>> = {
  method: true,
  layerName: true,
  fusion: true,
  nSamples: true,
  stdDev: true,
  noiseScale: true,
  seed: true,
  steps: true,
  baseline: true,
  score: true,
  maxDroppedShare: true,
  sampleWeights: true,
  preset: true,
  alphaNumerator: true,
  alphaDenominator: true,
  alphaEpsilon: true,
  alphaGuard: true,
  alphaNormalization: true,
  alphaGradient: true,
  activations: true,
  filters: true,
  combineFilters: true,
  region: true,
  subset: true,
  classIndex: true,
  contrast: true,
  fit: true,
  batch: true,
  topK: true,
  timestamps: true,
  keep: true,
  kernels: true,
  signal: true,
  onProgress: true,
};

/** How far an explanation has come. */
export interface ExplainProgress {
  /** Forward passes finished: those of noisy or masked copies, and the clean picture's. */
  done: number;
  /** Forward passes in all. */
  total: number;
}

/** Options that have a default. */
type WithDefault = Required<
  Pick<
    ExplainOptions,
    | 'method'
    | 'nSamples'
    | 'stdDev'
    | 'noiseScale'
    | 'seed'
    | 'steps'
    | 'baseline'
    | 'score'
    | 'maxDroppedShare'
    | 'sampleWeights'
    | 'combineFilters'
    | 'region'
    | 'fit'
    | 'topK'
  >
>;

/** The same with a place for each, undefined where nothing was given. */
type OrUndefined<Options> = { [Name in keyof Required<Options>]: Options[Name & keyof Options] };

/**
 * The options after defaults: what was in force. `layerName` is undefined for methods at the input, but Guided Grad-CAM; what
 * came of a `preset` is in the options beside it.
 */
export interface ResolvedOptions
  extends Conventions,
    WithDefault,
    OrUndefined<
      Pick<ExplainOptions, 'layerName' | 'preset' | 'filters' | 'subset' | 'classIndex' | 'contrast' | 'batch'>
    > {}

/** What an option is that is not given. */
export const DEFAULT_OPTIONS: Readonly<WithDefault & Conventions> = {
  method: 'smooth-grad-cam++',
  nSamples: 0,
  stdDev: 0.15,
  noiseScale: 'relative',
  seed: 0,
  steps: 50,
  baseline: 'black',
  score: 'exp',
  maxDroppedShare: 1e-3,
  sampleWeights: 'uniform',
  ...USUAL_CONVENTIONS,
  combineFilters: 'each',
  region: false,
  fit: 'squash',
  topK: 5,
};

/** More copies than this are surely a slip; the standard error falls with √n only. */
export const MAX_SAMPLES = 10_000;

/** What the checks need to know of the model: nothing of its weights. */
export interface OptionContext {
  classCount: number;
  /** Resolves a layer name or alias to the node's own name and its feature maps' [maps, height, width]. */
  resolveLayer(name: string | undefined): Layer;
  /**
   * The layer whose maps a global average pooling takes the means of, and one fully connected layer the logits of these;
   * undefined for networks that do not end so.
   */
  readonly pooledLayer: string | undefined;
}

/** A call of explain(), checked. */
export interface ResolvedCall {
  /** What is in force for each class, and for each layer of it. */
  readonly asked: readonly (readonly ResolvedOptions[])[];
  readonly fusion: Fusion | undefined;
  /** Whether the caller gets a list of results. */
  readonly isList: boolean;
}

/**
 * As resolveOptions(), for each class and each layer.
 *
 * @throws OptionError
 */
export function resolveCall(options: AnyExplainOptions, model: OptionContext): ResolvedCall {
  if (typeof options !== 'object' || options === null) {
    return { asked: [[resolveOptions(options, model)]], fusion: undefined, isList: false };
  }
  const { classIndex, layerName, fusion, ...rest } = options as ExplainOptions & Partial<FusionOptions>;
  const classes = listOf('classIndex', 'class', classIndex as ExplainClassesOptions['classIndex'] | number);
  const layers = listOf('layerName', 'layer', layerName as FusionOptions['layerName'] | string);
  const isOfLayers = Array.isArray(layerName);
  if (fusion !== undefined && !isOfLayers) refuseFusion(fusion);
  const asked = classes.map((ofClass) =>
    layers.map((layer) => resolveOptions({ ...rest, classIndex: ofClass, layerName: layer }, model)),
  );
  const names = asked[0].map((ofLayer) => ofLayer.layerName);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new OptionError('layerName', layerName, `each layer once; ${twice} is there twice`);
  if (fusion !== undefined) checkFusion(fusion, asked[0][0], options);
  return { asked, fusion, isList: Array.isArray(classIndex) || (isOfLayers && fusion === undefined) };
}

/** The values of an option that takes one or several. */
function listOf<Value>(option: string, noun: string, given: Value | readonly Value[]): readonly Value[] {
  if (!Array.isArray(given)) return [given as Value];
  if (given.length === 0) throw new OptionError(option, given, `a ${noun}, or a list of at least one`);
  if (new Set(given).size < given.length) throw new OptionError(option, given, `each ${noun} once`);
  return given;
}

function refuseFusion(fusion: unknown): never {
  const allowed =
    "nothing for a single layer: it goes with a list of them, layerName: ['block3_conv3', 'block5_conv3']";
  throw new OptionError('fusion', fusion, allowed);
}

function checkFusion(fusion: Fusion, { method }: ResolvedOptions, options: AnyExplainOptions): void {
  oneOf('fusion', fusion, FUSIONS);
  const { title, place } = methodOf(method);
  if (place === 'input') {
    throw new OptionError('fusion', fusion, `nothing: ${title} explains the model's input, which is no layer`);
  }
  const { filters, region, subset } = options as ExplainOptions;
  for (const [option, value] of Object.entries({ filters, region: region || undefined, subset })) {
    if (value === undefined) continue;
    const allowed = 'nothing with fusion: an index means something else in each layer; see layers of the result';
    throw new OptionError(option, value, allowed);
  }
}

/**
 * Fills in the defaults and checks every value against the model.
 *
 * @throws OptionError naming the option, what was given and what is allowed.
 */
export function resolveOptions(options: ExplainOptions, model: OptionContext): ResolvedOptions {
  checkOptionNames('explain()', options, EXPLAIN_OPTIONS);
  const { fusion } = options as Partial<FusionOptions>;
  if (fusion !== undefined) refuseFusion(fusion);
  const given = withoutUndefined(options);
  const { preset, nSamples = DEFAULT_OPTIONS.nSamples } = given;
  if (preset !== undefined) oneOf('preset', preset, PRESETS);
  const o = { ...DEFAULT_OPTIONS, ...(preset && presetOptions(preset, nSamples)), ...given };
  const method = resolveMethod(o.method);
  integer('nSamples', o.nSamples, 0, MAX_SAMPLES);
  if (typeof o.stdDev !== 'number' || !Number.isFinite(o.stdDev) || o.stdDev < 0) {
    throw new OptionError('stdDev', o.stdDev, 'a finite number of at least 0');
  }
  oneOf('noiseScale', o.noiseScale, ['relative', 'absolute']);
  integer('seed', o.seed, 0, Number.MAX_SAFE_INTEGER);
  integer('steps', o.steps, 1, MAX_SAMPLES);
  oneOf('baseline', o.baseline, BASELINES);
  oneOf('score', o.score, SCORES);
  if (typeof o.maxDroppedShare !== 'number' || !(o.maxDroppedShare >= 0 && o.maxDroppedShare < 1)) {
    throw new OptionError('maxDroppedShare', o.maxDroppedShare, 'a share of at least 0 and below 1');
  }
  oneOf('sampleWeights', o.sampleWeights, ['uniform', 'score']);
  if (o.sampleWeights === 'score' && o.score !== 'exp') {
    const allowed = `'uniform' with score ${o.score}: 'score' is the factor e^S of exp's derivatives; others have their own`;
    throw new OptionError('sampleWeights', o.sampleWeights, allowed);
  }
  checkConventions(o);
  const { title, needsGradient, masks } = methodOf(method);
  if (o.nSamples > 0 && masks) {
    const allowed = `0: ${title} compares scores of the clean picture with something left out, and takes no noise`;
    throw new OptionError('nSamples', o.nSamples, allowed);
  }
  if (o.nSamples > 0 && o.activations === 'clean' && !needsGradient) {
    throw new OptionError(
      'nSamples',
      o.nSamples,
      `0: ${title} takes no gradient that noise could smooth; with activations mean, the feature maps are smoothed`,
    );
  }
  if (methodOf(method).place === 'input') checkInputMethod(o);
  resolveFit(o.fit);
  if (o.batch !== undefined) integer('batch', o.batch, 1, MAX_SAMPLES);
  if (o.classIndex !== undefined) integer('classIndex', o.classIndex, 0, model.classCount - 1);
  if (o.contrast !== undefined) checkContrast(o.contrast, o, model);
  resolveTopK(o.topK);
  if (o.timestamps !== undefined && typeof o.timestamps !== 'boolean') {
    throw new OptionError('timestamps', o.timestamps, 'true or false');
  }
  if (o.keep !== undefined && typeof o.keep !== 'boolean') throw new OptionError('keep', o.keep, 'true or false');
  if (o.kernels !== undefined && (typeof o.kernels !== 'object' || Array.isArray(o.kernels))) {
    throw new OptionError(
      'kernels',
      o.kernels,
      "names by convolution and direction, as in a result's provenance.kernels",
    );
  }

  const layer = takesLayer(methodOf(method)) ? chooseLayer(method, o.layerName, model) : undefined;
  const selection = layer && methodOf(method).place === 'layer' ? checkSelection(o, layer) : NO_SELECTION;
  return {
    method,
    layerName: layer?.name,
    nSamples: o.nSamples,
    stdDev: o.stdDev,
    noiseScale: o.noiseScale,
    seed: o.seed,
    steps: o.steps,
    baseline: o.baseline,
    score: o.score,
    maxDroppedShare: o.maxDroppedShare,
    sampleWeights: o.sampleWeights,
    preset,
    alphaNumerator: o.alphaNumerator,
    alphaDenominator: o.alphaDenominator,
    alphaEpsilon: o.alphaEpsilon,
    alphaGuard: o.alphaGuard,
    alphaNormalization: o.alphaNormalization,
    alphaGradient: o.alphaGradient,
    activations: o.activations,
    ...selection,
    classIndex: o.classIndex,
    contrast: o.contrast,
    fit: o.fit,
    batch: o.batch,
    topK: o.topK,
  };
}

function checkContrast(
  contrast: number,
  { classIndex, score, method }: Pick<ResolvedOptions, 'score' | 'method'> & Pick<ExplainOptions, 'classIndex'>,
  { classCount }: OptionContext,
): void {
  integer('contrast', contrast, 0, classCount - 1);
  if (contrast === classIndex) throw new OptionError('contrast', contrast, 'another class than the explained one');
  const row = methodOf(method);
  if (needsPooledLayer(row)) return; // the logits' own weights, whatever the score
  if (!row.needsGradient || (row.place === 'input' && row.rule !== 'gradient')) {
    throw new OptionError('contrast', contrast, `nothing: ${row.title} takes no gradient of a score`);
  }
  if (SCORE_TABLE[score].of === 'logit') return;
  const scores = SCORES.filter((name) => SCORE_TABLE[name].of === 'logit').join(', ');
  throw new OptionError(
    'contrast',
    contrast,
    `nothing with score ${score}, which is against all classes; of ${scores} one`,
  );
}

function checkConventions(o: Conventions): void {
  oneOf('alphaNumerator', o.alphaNumerator, ALPHA_NUMERATORS);
  oneOf('alphaDenominator', o.alphaDenominator, ALPHA_DENOMINATORS);
  if (typeof o.alphaEpsilon !== 'number' || !(o.alphaEpsilon >= 0 && o.alphaEpsilon <= 1)) {
    throw new OptionError('alphaEpsilon', o.alphaEpsilon, 'a number from 0 to 1');
  }
  oneOf('alphaGuard', o.alphaGuard, ALPHA_GUARDS);
  oneOf('alphaNormalization', o.alphaNormalization, ALPHA_NORMALIZATIONS);
  oneOf('alphaGradient', o.alphaGradient, ALPHA_GRADIENTS);
  oneOf('activations', o.activations, ACTIVATIONS);
}

/** The layer of the call, or the one that the method has by default. */
function chooseLayer(method: AnyMethod, layerName: string | undefined, model: OptionContext): Layer {
  if (!needsPooledLayer(methodOf(method))) return model.resolveLayer(layerName);
  const { title } = methodOf(method);
  const { pooledLayer } = model;
  if (pooledLayer === undefined) {
    const allowed =
      `hires-cam or grad-cam: ${title} takes its weights from the one fully connected layer behind a global average ` +
      'pooling, and this network does not end so; in one that does, all three give the same map but for a factor';
    throw new OptionError('method', methodName(method), allowed);
  }
  const layer = model.resolveLayer(layerName ?? pooledLayer);
  if (layer.name === pooledLayer) return layer;
  const allowed =
    `${pooledLayer}: ${title} has weights for the maps in front of the global average pooling alone; hires-cam and ` +
    'grad-cam explain the other layers';
  throw new OptionError('layerName', layerName, allowed);
}

function resolveMethod(method: AnyMethod): AnyMethod {
  if (typeof method === 'object') return defineMethod(method);
  oneOf('method', method, METHODS, 'or one that defineMethod() made');
  return method;
}

/** What chooses among feature maps and their cells means nothing at the input. */
function checkInputMethod({
  method,
  nSamples,
  layerName,
  filters,
  region,
  subset,
}: ExplainOptions & { method: AnyMethod }): void {
  const { title } = methodOf(method);
  if (takesPath(methodOf(method)) && nSamples !== 0) {
    throw new OptionError(
      'nSamples',
      nSamples,
      `0: ${title} averages over points on the way from the baseline, as many as steps says, not over noisy copies`,
    );
  }
  for (const [option, value] of Object.entries({ layerName, filters, region: region || undefined, subset })) {
    if (value === undefined || (option === 'layerName' && takesLayer(methodOf(method)))) continue;
    throw new OptionError(
      option,
      value,
      `nothing: ${title} explains the model's input, which is no layer's feature maps`,
    );
  }
}

/** Of a method that has no feature maps to choose from. */
const NO_SELECTION: ResolvedSelection = {
  filters: undefined,
  combineFilters: DEFAULT_OPTIONS.combineFilters,
  region: DEFAULT_OPTIONS.region,
  subset: undefined,
};

/** A layer by its own name, with its feature maps' [maps, height, width]. */
interface Layer {
  readonly name: string;
  readonly shape: readonly [number, number, number];
}

/**
 * The defaults and checks of a choice of feature maps and cells on its own.
 *
 * @param call its name, for messages
 * @throws OptionError
 */
export function resolveSelection(options: SelectionOptions, layer: Layer, call: string): ResolvedSelection {
  checkOptionNames(call, options, { filters: true, combineFilters: true, region: true, subset: true });
  return checkSelection({ ...DEFAULT_OPTIONS, ...withoutUndefined(options) }, layer);
}

function checkSelection(
  { filters, combineFilters, region, subset }: SelectionOptions & Pick<ResolvedSelection, 'combineFilters' | 'region'>,
  layer: Layer,
): ResolvedSelection {
  oneOf('combineFilters', combineFilters, ['each', 'sum']);
  const [maps, height, width] = layer.shape;
  const shape = `layer ${layer.name} has ${maps} maps of ${height} × ${width} cells`;
  if (filters !== undefined) {
    if (!Array.isArray(filters) || filters.length === 0) {
      throw new OptionError('filters', filters, 'a non-empty list of feature-map indices');
    }
    for (const k of filters) integer('filters', k, 0, maps - 1, shape);
  }
  if (typeof region !== 'boolean') throw new OptionError('region', region, 'true or false');
  if (region && subset === undefined) {
    throw new OptionError('region', true, 'region goes with subset: two corners [[row, column], [row, column]]');
  }
  if (subset !== undefined) {
    if (!Array.isArray(subset) || subset.length === 0 || (region && subset.length !== 2)) {
      throw new OptionError('subset', subset, region ? 'two corners [[r, c], [r, c]]' : 'a non-empty list of [r, c]');
    }
    for (const cell of subset) {
      if (!Array.isArray(cell) || cell.length !== 2) throw new OptionError('subset', cell, 'cells as [row, column]');
      integer('subset row', cell[0], 0, height - 1, shape);
      integer('subset column', cell[1], 0, width - 1, shape);
    }
  }
  return { filters, combineFilters, region, subset };
}

/** What a classification can be told. */
export type ClassifyOptions = Pick<ExplainOptions, 'topK' | 'fit' | 'signal'>;

/** @throws OptionError */
export function resolveClassifyOptions(options: ClassifyOptions): { topK: number; fit: Fit } {
  checkOptionNames('classify()', options, { topK: true, fit: true, signal: true });
  return { topK: resolveTopK(options.topK), fit: resolveFit(options.fit) };
}

/** @throws OptionError */
export function resolveTopK(topK: number = DEFAULT_OPTIONS.topK): number {
  integer('topK', topK, 1, Number.MAX_SAFE_INTEGER);
  return topK;
}

/** @throws OptionError */
export function resolveFit(fit: Fit = DEFAULT_OPTIONS.fit): Fit {
  oneOf('fit', fit, FITS);
  return fit;
}

function withoutUndefined(options: ExplainOptions): ExplainOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function oneOf(option: string, value: unknown, allowed: readonly string[], orElse?: string): void {
  if (allowed.includes(value as string)) return;
  throw new OptionError(option, value, [...allowed, ...(orElse === undefined ? [] : [orElse])].join(', '));
}

function integer(option: string, value: unknown, min: number, max: number, because?: string): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new OptionError(option, value, `a whole number from ${min} to ${max}${because ? ` (${because})` : ''}`);
  }
}
