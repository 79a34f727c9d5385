/** The options of `explain` and `classify`: from text to the library's own, and back to a flag in messages. */
import { InvalidArgumentError, Option } from 'commander';
import {
  ACTIVATIONS,
  ALPHA_DENOMINATORS,
  ALPHA_GRADIENTS,
  ALPHA_GUARDS,
  ALPHA_NORMALIZATIONS,
  ALPHA_NUMERATORS,
} from '../conventions.ts';
import { OptionError } from '../errors.ts';
import { TUNE_MODES, type TuneMode } from '../gpu/tuner.ts';
import { DEFAULT_THRESHOLD } from '../image/boxes.ts';
import { COLOR_MAPS, type ColorMapName, DEFAULT_COLOR_MAP, DIVERGING_COLOR_MAPS } from '../image/color-map.ts';
import { DEFAULT_OPACITY } from '../image/overlay.ts';
import { METHODS } from '../methods.ts';
import { BUILT_IN_MODEL, type ModelName } from '../network/models.ts';
import { ALL_CONV2D_VARIANTS, type Conv2dVariant } from '../ops/conv2d.variants.ts';
import { type Cell, DEFAULT_OPTIONS, type ExplainOptions, FITS, FUSIONS, type Fusion } from '../options.ts';
import { DEFAULT_PRECISION, PRECISIONS, type Precision } from '../precision.ts';
import { PRESETS, type PresetName } from '../presets.ts';
import { SCORES } from '../scores.ts';

export const DEFAULT_MODEL: ModelName = 'vgg16';
export const DEFAULT_FOLDER = 'out';
/** Of --difference. */
export const DEFAULT_DIVERGING_COLOR_MAP = 'rdbu';

/** Of the smooth methods where methods are compared: n and σ of the paper's figures. */
export const FIGURE_SMOOTHING = { samples: 5, stdDev: 0.3 } as const;

/** What both commands take, as commander hands it over. */
export interface CommonFlags {
  model?: string;
  weights?: string;
  width?: number;
  precision?: Precision;
  labels?: string;
  fit?: ExplainOptions['fit'];
  adapter?: string;
  limits?: 'adapter' | 'default';
  tune?: TuneMode;
  forceVariant?: Conv2dVariant;
  json?: boolean;
  quiet?: boolean;
}

export interface ExplainFlags extends CommonFlags {
  method?: string;
  layer?: string;
  fusion?: Fusion;
  class?: string;
  contrast?: string;
  difference?: boolean;
  samples?: number;
  stdDev?: number;
  noiseScale?: ExplainOptions['noiseScale'];
  seed?: number;
  steps?: number;
  baseline?: ExplainOptions['baseline'];
  score?: ExplainOptions['score'];
  maxDroppedShare?: number;
  sampleWeights?: ExplainOptions['sampleWeights'];
  preset?: PresetName;
  alphaNumerator?: ExplainOptions['alphaNumerator'];
  alphaDenominator?: ExplainOptions['alphaDenominator'];
  alphaEpsilon?: number;
  alphaGuard?: ExplainOptions['alphaGuard'];
  alphaNormalization?: ExplainOptions['alphaNormalization'];
  alphaGradient?: ExplainOptions['alphaGradient'];
  activations?: ExplainOptions['activations'];
  filters?: number[];
  combineFilters?: ExplainOptions['combineFilters'];
  region?: Cell[];
  neurons?: Cell[];
  batch?: number;
  out?: string;
  colorMap?: ColorMapName;
  opacity?: number;
  /** true without a threshold. */
  boxes?: number | true;
}

/**
 * The library's options of a single result, but for the method, which may be in a file, and the classes, which depend on
 * labels. resolveOptions checks the values.
 */
export function explainOptions(flags: ExplainFlags): Omit<ExplainOptions, 'method'> {
  return {
    layerName: flags.layer,
    nSamples: flags.samples,
    stdDev: flags.stdDev,
    noiseScale: flags.noiseScale,
    seed: flags.seed,
    steps: flags.steps,
    baseline: flags.baseline,
    score: flags.score,
    maxDroppedShare: flags.maxDroppedShare,
    sampleWeights: flags.sampleWeights,
    preset: flags.preset,
    alphaNumerator: flags.alphaNumerator,
    alphaDenominator: flags.alphaDenominator,
    alphaEpsilon: flags.alphaEpsilon,
    alphaGuard: flags.alphaGuard,
    alphaNormalization: flags.alphaNormalization,
    alphaGradient: flags.alphaGradient,
    activations: flags.activations,
    filters: flags.filters,
    combineFilters: flags.combineFilters,
    region: flags.region ? true : undefined,
    subset: flags.region ?? flags.neurons,
    fit: flags.fit,
    batch: flags.batch,
  };
}

/** In place of the layerName of explainOptions(), where there may be several, with commas between them. */
export function layerOptions({ layer, fusion }: Pick<ExplainFlags, 'layer' | 'fusion'>) {
  const names = layer?.split(',').map((name) => name.trim());
  return { layerName: names && names.length > 1 ? names : layer, fusion };
}

/** What a call does, as far as flags depend on it. */
export interface CallTraits {
  /** Whether there are noisy copies. */
  readonly isNoisy: boolean;
  /** Whether a method weights with α. */
  readonly hasAlpha: boolean;
  /** Whether a method takes a gradient. */
  readonly hasGradient: boolean;
  /** Whether a method averages over the points of a path. */
  readonly hasPath: boolean;
}

/** Which flags were given, whatever their values. */
type GivenFlags = Readonly<Partial<Record<keyof ExplainFlags, unknown>>>;

/** Flags that change nothing in some calls: which, and what they need. */
const CONDITIONAL_FLAGS: readonly {
  readonly flags: readonly (keyof ExplainFlags)[];
  readonly need: string;
  isMet(traits: CallTraits, flags: GivenFlags): boolean;
}[] = [
  {
    flags: ['stdDev', 'noiseScale', 'seed', 'sampleWeights', 'activations'],
    need: 'noisy copies of the picture (--samples)',
    isMet: ({ isNoisy }) => isNoisy,
  },
  { flags: ['steps', 'baseline'], need: '--method integrated-gradients', isMet: ({ hasPath }) => hasPath },
  {
    flags: ['preset', 'alphaNumerator', 'alphaDenominator', 'alphaEpsilon', 'alphaGuard', 'alphaNormalization'],
    need: 'a method with alpha',
    isMet: ({ hasAlpha }) => hasAlpha,
  },
  {
    flags: ['alphaGradient'],
    need: 'a method with alpha and noisy copies of the picture (--samples)',
    isMet: ({ hasAlpha, isNoisy }) => hasAlpha && isNoisy,
  },
  { flags: ['score'], need: 'a method that takes a gradient', isMet: ({ hasGradient }) => hasGradient },
  {
    flags: ['maxDroppedShare'],
    need: '--score softmax or log-softmax and a method with alpha',
    isMet: ({ hasAlpha }, { score }) => hasAlpha && (score === 'softmax' || score === 'log-softmax'),
  },
  { flags: ['combineFilters'], need: '--filters', isMet: (_, { filters }) => filters !== undefined },
];

/** A note for each flag that was given and changes nothing in this call. */
export function idleFlagNotes(flags: GivenFlags, traits: CallTraits): string[] {
  return CONDITIONAL_FLAGS.filter(({ isMet }) => !isMet(traits, flags)).flatMap(({ flags: names, need }) =>
    names
      .filter((name) => flags[name] !== undefined)
      .map((name) => `--${kebabCase(name)} changes nothing here: it goes with ${need}`),
  );
}

/** Options whose flag is not simply their name in kebab-case. */
const FLAG_OF: Readonly<Record<string, keyof ExplainFlags>> = {
  layerName: 'layer',
  classIndex: 'class',
  nSamples: 'samples',
};

/** The library's error about an option, in terms of the flag that set it. Other names, such as IMAGE, stay. */
export function inTermsOfFlags(error: OptionError, flags: ExplainFlags & { methods?: string }): OptionError {
  let { option } = error;
  if (option.startsWith('subset')) option = flags.region ? 'region' : 'neurons';
  if (option === 'method' && flags.methods !== undefined) option = 'methods';
  const isLibrarys = /^[a-z]/.test(option);
  return isLibrarys ? new OptionError(`--${kebabCase(FLAG_OF[option] ?? option)}`, error.value, error.allowed) : error;
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function commonOptions(): Option[] {
  return [
    new Option(
      '--model <name>',
      `network; "gradcam models" lists them (default: ${DEFAULT_MODEL}, without a picture ${BUILT_IN_MODEL})`,
    ),
    new Option(
      '--weights <path|url>',
      'TensorFlow.js model.json, .safetensors, a folder with either, or random:SEED ' +
        '(default: GRADCAM_WEIGHTS, else where the model is published)',
    ),
    new Option(
      '--width <factor>',
      "with random weights: scale of the channel counts, such as 1/8 (default: the model's own)",
    ).argParser(parseFactor),
    new Option(
      '--precision <how>',
      'how weights are held: as in the file (f32), or rounded to float16 in half the memory (f16-storage); with f16, ' +
        `convolutions also multiply in float16, where the adapter has shader-f16 (default: ${DEFAULT_PRECISION})`,
    ).choices(PRECISIONS),
    new Option(
      '--labels <file>',
      'JSON array of the names of the classes (default: GRADCAM_LABELS, else a file near the weights)',
    ),
    new Option('--fit <how>', `how the picture is brought to the input size (default: ${DEFAULT_OPTIONS.fit})`).choices(
      FITS,
    ),
    new Option('--adapter <text>', 'GPU adapter whose name holds this text (default: the best; see "gradcam doctor")'),
    new Option(
      '--limits <which>',
      "ask for the adapter's limits, or stay at WebGPU's defaults (default: adapter)",
    ).choices(['adapter', 'default']),
    new Option(
      '--tune <mode>',
      'kernels by rule (off), by the timings that "gradcam tune" made (cached), or timed when the results are there ' +
        '(full) (default: cached)',
    ).choices(TUNE_MODES),
    new Option(
      '--force-variant <kernel>',
      'compute convolutions with this kernel wherever it can, whatever is faster',
    ).choices(ALL_CONV2D_VARIANTS),
    new Option('--json', 'print one line of JSON per result, and nothing else, on standard output'),
    new Option('--quiet', 'print no progress and no notes on standard error'),
  ];
}

export function explainOnlyOptions(): Option[] {
  const preset = DEFAULT_OPTIONS;
  return [
    new Option(
      '--method <name|file.mjs>',
      `${METHODS.join(', ')}, or a file that defines one (default: ${preset.method})`,
    ),
    new Option(
      '--layer <name,…>',
      'layers to explain, a result each: block5_conv3, features.28 … (default: the last convolution; for cam the layer ' +
        'that is pooled)',
    ),
    new Option('--fusion <how>', 'with several layers: one result, of their fused maps').choices(FUSIONS),
    new Option('--class <index|label,…>', 'classes to explain, a result each (default: the most probable one)'),
    new Option('--contrast <index|label>', 'why the class rather than this one: its score is subtracted'),
    new Option('--difference', 'with two classes: also where the map of the first shows more than that of the second'),
    numeric('--samples <n>', `noisy copies; 0: the clean picture only (default: ${preset.nSamples})`),
    numeric('--std-dev <sigma>', `standard deviation of the noise (default: ${preset.stdDev})`),
    new Option(
      '--noise-scale <relative|absolute>',
      `sigma in units of the input's range, or in its own (default: ${preset.noiseScale})`,
    ),
    numeric('--seed <n>', `seed of the noise (default: ${preset.seed})`),
    numeric('--steps <n>', `integrated gradients: points from the baseline to the picture (default: ${preset.steps})`),
    new Option(
      '--baseline <black|mean>',
      `integrated gradients: where they begin, black or the training set's mean colour (default: ${preset.baseline})`,
    ),
    new Option('--score <name>', `function of the logits that is differentiated (default: ${preset.score})`).choices(
      SCORES,
    ),
    numeric(
      '--max-dropped-share <share>',
      `with --score softmax or log-softmax and alpha: probability, of that outside of the first class, that classes left ` +
        `out may have (default: ${preset.maxDroppedShare})`,
    ),
    new Option('--sample-weights <uniform|score>', `weights of the samples (default: ${preset.sampleWeights})`),
    new Option(
      '--preset <name>',
      `compute as another program does: ${PRESETS.join(', ')}; the options beside it win (default: as the papers do)`,
    ),
    chosen('--alpha-numerator', ALPHA_NUMERATORS, 'derivative in the numerator of alpha', preset.alphaNumerator),
    chosen(
      '--alpha-denominator',
      ALPHA_DENOMINATORS,
      "third derivative in alpha's denominator, the cell's own or one sum for its map, or no denominator",
      preset.alphaDenominator,
    ),
    numeric('--alpha-epsilon <e>', `added to the denominator of alpha (default: ${preset.alphaEpsilon})`),
    chosen('--alpha-guard', ALPHA_GUARDS, 'denominators that alpha takes', preset.alphaGuard),
    chosen(
      '--alpha-normalization',
      ALPHA_NORMALIZATIONS,
      "divide alpha by its sum over the map's cells",
      preset.alphaNormalization,
    ),
    chosen(
      '--alpha-gradient',
      ALPHA_GRADIENTS,
      "gradient that alpha weights: the samples' mean, or the last one's",
      preset.alphaGradient,
    ),
    chosen(
      '--activations',
      ACTIVATIONS,
      "weighted feature maps: the clean picture's, the samples' mean, or the last one's",
      preset.activations,
    ),
    new Option('--filters <k,…>', 'only these feature maps (default: all)').argParser(parseIntegers),
    new Option(
      '--combine-filters <each|sum>',
      `with --filters: a map for each, or one of their sum (default: ${preset.combineFilters})`,
    ),
    new Option('--region <r0,c0,r1,c1>', 'only the cells of this box of the feature maps, both corners included')
      .argParser(parseRegion)
      .conflicts('neurons'),
    new Option('--neurons <r,c;…>', 'only these cells of the feature maps').argParser(parseNeurons),
    numeric('--batch <n>', 'upper bound on samples per dispatch; the result is the same (default: by the limits)'),
    new Option(
      '--color-map <name>',
      `colours of the overlay; ${DIVERGING_COLOR_MAPS.join(' and ')} show what speaks against the class as well ` +
        `(default: ${DEFAULT_COLOR_MAP}, of a difference ${DEFAULT_DIVERGING_COLOR_MAP})`,
    ).choices([...COLOR_MAPS, ...DIVERGING_COLOR_MAPS]),
    new Option('--opacity <share>', `opacity of the overlay, 0 to 1 (default: ${DEFAULT_OPACITY})`).argParser(
      parseShare,
    ),
    new Option(
      '--boxes [threshold]',
      'draw boxes around the regions where the map reaches this share of its maximum; ' +
        `the JSON has them in any case (default: ${DEFAULT_THRESHOLD})`,
    ).argParser(parseThreshold),
    new Option('--out <folder>', `folder for the overlay, the map and its description (default: ${DEFAULT_FOLDER})`),
  ];
}

/** One of a few values, which resolveOptions checks. */
function chosen(flag: string, values: readonly string[], description: string, usual: string): Option {
  return new Option(`${flag} <${values.join('|')}>`, `${description} (default: ${usual})`);
}

function numeric(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseNumber);
}

export function parseNumber(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim())) throw new InvalidArgumentError('Expected a number.');
  return Number(text);
}

export function parseShare(text: string): number {
  const share = parseNumber(text);
  if (share < 0 || share > 1) throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return share;
}

export function parseThreshold(text: string): number {
  const share = Number(text);
  if (share > 0 && share <= 1) return share;
  // Behind a flag whose value may be left out, a picture is taken for the value.
  throw new InvalidArgumentError('Expected a number above 0 and up to 1; pictures go in front of the flag.');
}

/** '1/8' or '0.125'. */
export function parseFactor(text: string): number {
  const [numerator, denominator, ...rest] = text.split('/').map(parseNumber);
  const factor = numerator! / (denominator ?? 1);
  if (rest.length > 0) throw new InvalidArgumentError('Expected a factor, such as 1/8.');
  return factor;
}

export function parseIntegers(text: string): number[] {
  return text.split(',').map((part) => {
    if (!/^[+-]?\d+$/.test(part.trim())) {
      throw new InvalidArgumentError('Expected whole numbers with commas between them.');
    }
    return Number(part);
  });
}

export function parseRegion(text: string): Cell[] {
  const numbers = parseIntegers(text);
  if (numbers.length !== 4) throw new InvalidArgumentError('Expected four whole numbers: row,column,row,column.');
  const [r0, c0, r1, c1] = numbers as [number, number, number, number];
  return [
    [r0, c0],
    [r1, c1],
  ];
}

export function parseNeurons(text: string): Cell[] {
  return text
    .split(';')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const numbers = parseIntegers(part);
      if (numbers.length !== 2) throw new InvalidArgumentError('Expected cells as row,column;row,column;…');
      return numbers as unknown as Cell;
    });
}
