/** The options of `explain` and `classify`: from text to the library's own, and back to a flag in messages. */
import { InvalidArgumentError, Option } from 'commander';
import { OptionError } from '../errors.ts';
import { COLOR_MAPS, type ColorMapName, DEFAULT_COLOR_MAP } from '../image/color-map.ts';
import { DEFAULT_OPACITY } from '../image/overlay.ts';
import { type Cell, DEFAULT_OPTIONS, type ExplainOptions, FITS, METHODS } from '../options.ts';

/** What both commands take, as commander hands it over. */
export interface CommonFlags {
  model?: string;
  weights?: string;
  width?: number;
  labels?: string;
  fit?: ExplainOptions['fit'];
  adapter?: string;
  limits?: 'adapter' | 'default';
  json?: boolean;
  quiet?: boolean;
}

export interface ExplainFlags extends CommonFlags {
  method?: ExplainOptions['method'];
  layer?: string;
  class?: string;
  samples?: number;
  stdDev?: number;
  noiseScale?: ExplainOptions['noiseScale'];
  seed?: number;
  score?: ExplainOptions['score'];
  sampleWeights?: ExplainOptions['sampleWeights'];
  alphaNumerator?: ExplainOptions['alphaNumerator'];
  activations?: ExplainOptions['activations'];
  filters?: number[];
  combineFilters?: ExplainOptions['combineFilters'];
  region?: Cell[];
  neurons?: Cell[];
  batch?: number;
  out?: string;
  colorMap?: ColorMapName;
  opacity?: number;
}

/** The library's options, but the class, which depends on labels. Values are checked by resolveOptions. */
export function explainOptions(flags: ExplainFlags): ExplainOptions {
  return {
    method: flags.method,
    layerName: flags.layer,
    nSamples: flags.samples,
    stdDev: flags.stdDev,
    noiseScale: flags.noiseScale,
    seed: flags.seed,
    score: flags.score,
    sampleWeights: flags.sampleWeights,
    alphaNumerator: flags.alphaNumerator,
    activations: flags.activations,
    filters: flags.filters,
    combineFilters: flags.combineFilters,
    region: flags.region ? true : undefined,
    subset: flags.region ?? flags.neurons,
    fit: flags.fit,
    batch: flags.batch,
  };
}

/** Options whose flag is not simply their name in kebab-case. */
const FLAG_OF: Readonly<Record<string, keyof ExplainFlags>> = {
  layerName: 'layer',
  classIndex: 'class',
  nSamples: 'samples',
};

/** The library's error about an option, in terms of the flag that set it. */
export function inTermsOfFlags(error: OptionError, flags: ExplainFlags): OptionError {
  const option = error.option.startsWith('subset') ? (flags.region ? 'region' : 'neurons') : error.option;
  const flag = option.startsWith('-') ? option : `--${kebabCase(FLAG_OF[option] ?? option)}`;
  return new OptionError(flag, error.value, error.allowed);
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function commonOptions(): Option[] {
  return [
    new Option('--model <name>', 'network; "gradcam models" lists them (default: vgg16)'),
    new Option(
      '--weights <path|url>',
      'TensorFlow.js model.json, .safetensors, a folder with either, or random:SEED ' +
        '(default: GRADCAM_WEIGHTS, else the public URL of the model)',
    ),
    new Option(
      '--width <factor>',
      'with random weights: scale of the channel counts, such as 1/8 (default: 1)',
    ).argParser(parseFactor),
    new Option(
      '--labels <file>',
      'JSON array of the names of the classes (default: GRADCAM_LABELS, else a file near the weights)',
    ),
    choice('--fit <how>', 'how the picture is brought to the input size', DEFAULT_OPTIONS.fit, FITS),
    new Option('--adapter <text>', 'GPU adapter whose name holds this text (default: the best; see "gradcam doctor")'),
    new Option(
      '--limits <which>',
      "ask for the adapter's limits, or stay at WebGPU's defaults (default: adapter)",
    ).choices(['adapter', 'default']),
    new Option('--json', 'print one line of JSON per result, and nothing else, on standard output'),
    new Option('--quiet', 'print no progress and no notes on standard error'),
  ];
}

export function explainOnlyOptions(): Option[] {
  return [
    choice('--method <name>', 'explanation method', DEFAULT_OPTIONS.method, METHODS),
    new Option(
      '--layer <name>',
      'layer to explain, such as block5_conv3 or features.28 (default: the last convolution)',
    ),
    new Option('--class <index|label,…>', 'classes to explain, a result each (default: the most probable one)'),
    numeric('--samples <n>', 'noisy copies; 0: the clean picture only', DEFAULT_OPTIONS.nSamples),
    numeric('--std-dev <sigma>', 'standard deviation of the noise', DEFAULT_OPTIONS.stdDev),
    choice(
      '--noise-scale <unit>',
      "unit of --std-dev: the input's range, or its own units",
      DEFAULT_OPTIONS.noiseScale,
      ['relative', 'absolute'],
    ),
    numeric('--seed <n>', 'seed of the noise', DEFAULT_OPTIONS.seed),
    choice('--score <name>', 'function of the logit that is differentiated', DEFAULT_OPTIONS.score, ['exp']),
    choice('--sample-weights <name>', 'weights of the samples', DEFAULT_OPTIONS.sampleWeights, ['uniform', 'score']),
    choice('--alpha-numerator <derivative>', 'derivative in the numerator of alpha', DEFAULT_OPTIONS.alphaNumerator, [
      'second',
      'first',
    ]),
    choice('--activations <which>', 'feature maps that are weighted', DEFAULT_OPTIONS.activations, ['clean', 'mean']),
    new Option('--filters <k,…>', 'only these feature maps (default: all)').argParser(parseIntegers),
    choice(
      '--combine-filters <how>',
      'with --filters: a map for each, or one of their sum',
      DEFAULT_OPTIONS.combineFilters,
      ['each', 'sum'],
    ),
    new Option('--region <r0,c0,r1,c1>', 'only the cells of this box of the feature maps, both corners included')
      .argParser(parseRegion)
      .conflicts('neurons'),
    new Option('--neurons <r,c;…>', 'only these cells of the feature maps').argParser(parseNeurons),
    numeric('--batch <n>', 'upper bound on samples per dispatch; the result is the same (default: by the limits)'),
    choice('--color-map <name>', 'colours of the overlay', DEFAULT_COLOR_MAP, COLOR_MAPS),
    new Option('--opacity <share>', `opacity of the overlay, 0 to 1 (default: ${DEFAULT_OPACITY})`).argParser(
      parseShare,
    ),
    new Option('--out <folder>', 'folder for the overlay, the map and its description (default: out)'),
  ];
}

function choice(flags: string, description: string, preset: string, choices: readonly string[]): Option {
  return new Option(flags, `${description} (default: ${preset})`).choices(choices);
}

function numeric(flags: string, description: string, preset?: number): Option {
  const shown = preset === undefined ? description : `${description} (default: ${preset})`;
  return new Option(flags, shown).argParser(parseNumber);
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

/** '1/8' or '0.125'. */
export function parseFactor(text: string): number {
  const [numerator, denominator, ...rest] = text.split('/').map(parseNumber);
  const factor = numerator! / (denominator ?? 1);
  if (rest.length > 0 || !(factor > 0) || factor > 1) {
    throw new InvalidArgumentError('Expected a factor greater than 0 and at most 1, such as 1/8.');
  }
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
