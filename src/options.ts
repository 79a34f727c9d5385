/**
 * The options of an explanation: their types and their defaults, in one place for the API and the command line; their checks are
 * in resolve-options.ts. Names follow the paper (Omeiza et al. 2019) where it has one.
 */

import { type Conventions, USUAL_CONVENTIONS } from './conventions.ts';
import { type AnyMethod, methodOf } from './custom-method.ts';
import { takesPath } from './methods.ts';
import type { OptionNames } from './option-names.ts';
import type { PresetName } from './presets.ts';
import type { ScoreName } from './scores.ts';

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

/** More copies than this are surely a slip; the standard error falls with √n only. */
export const MAX_SAMPLES = 10_000;

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
   * sigmoid. With sigmoid, Y is p_a / (p_a + p_b). For methods that take the score's gradient, and for CAM. A class
   * against itself is refused, also where the network chooses it. Default: none.
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
  /** Stops the work between two batches, or while it waits for a part of the library, with an AbortError. */
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
export const EXPLAIN_OPTIONS: OptionNames<ExplainOptions & Pick<FusionOptions, 'fusion'>> = {
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

/** What is no part of the options in force. */
export type CallOptions = Pick<ExplainOptions, 'keep' | 'kernels' | 'signal' | 'onProgress' | 'timestamps'>;

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

/** Whether areas of the picture that are even stay so in what is differentiated: noise leaves no two values equal. */
export function hasEvenAreas({ method, nSamples, stdDev }: ResolvedOptions): boolean {
  return takesPath(methodOf(method)) || nSamples === 0 || stdDev === 0;
}

/** Weights that are a cell's own gradient, or that a function makes of all cells' gradients. */
const OF_CELLS = ['gradient', 'positive-gradient', 'cell-expression', 'function'];

/** Whether single cells' gradients show in the result, not only their sums over a feature map. */
export function cellsStandAlone({ method }: ResolvedOptions): boolean {
  const { place, weights } = methodOf(method);
  return place === 'input' || OF_CELLS.includes(weights);
}

/** What a classification can be told. */
export type ClassifyOptions = Pick<ExplainOptions, 'topK' | 'fit' | 'signal'>;
