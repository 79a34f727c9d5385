/** Options as they are given, checked and with the defaults filled in: what is wrong fails here, at the door. */

import {
  ACTIVATIONS,
  ALPHA_DENOMINATORS,
  ALPHA_GRADIENTS,
  ALPHA_GUARDS,
  ALPHA_NORMALIZATIONS,
  ALPHA_NUMERATORS,
  type Conventions,
} from './conventions.ts';
import { type AnyMethod, methodName, methodOf } from './custom-method.ts';
import { defineMethod } from './define-method.ts';
import { OptionError } from './errors.ts';
import { METHODS, needsPooledLayer, takesLayer, takesPath } from './methods.ts';
import { checkOptionNames, nearMiss } from './option-names.ts';
import {
  type AnyExplainOptions,
  BASELINES,
  type ClassifyOptions,
  DEFAULT_OPTIONS,
  EXPLAIN_OPTIONS,
  type ExplainClassesOptions,
  type ExplainOptions,
  FITS,
  type Fit,
  FUSIONS,
  type Fusion,
  type FusionOptions,
  MAX_SAMPLES,
  type ResolvedOptions,
  type ResolvedSelection,
  type SelectionOptions,
} from './options.ts';
import { PRESETS, presetOptions } from './presets.ts';
import { SCORE_VARIABLES, SCORES } from './scores.ts';

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

/** What explainProgressively() takes besides, and whoever has read of it there may look for here. */
function refuseProgressive(options: ExplainOptions): void {
  for (const [name, value] of Object.entries(options ?? {})) {
    if (name !== 'tolerance' && name !== 'stop') continue;
    const allowed =
      'nothing of that name here: it is an option of explainProgressively(), which gives the result as its last step';
    throw new OptionError(name, value, allowed);
  }
}

function refuseFusion(fusion: unknown): never {
  const allowed = 'nothing for a single layer: it goes with a list of them, such as block3_conv3, block5_conv3';
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
  refuseProgressive(options);
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
  if (SCORE_VARIABLES[score] === 'logit') return;
  const scores = SCORES.filter((name) => SCORE_VARIABLES[name] === 'logit').join(', ');
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
  const list = [...allowed, ...(orElse === undefined ? [] : [orElse])].join(', ');
  throw new OptionError(option, value, `${list}${nearMiss(value, allowed)}`);
}

function integer(option: string, value: unknown, min: number, max: number, because?: string): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new OptionError(option, value, `a whole number from ${min} to ${max}${because ? ` (${because})` : ''}`);
  }
}
