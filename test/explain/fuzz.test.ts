/**
 * A result is never NaN, whatever the network: every method with networks, pictures and options drawn at random, among them
 * weights of huge and of tiny size, layers that are dead, classes that nothing leads to. What a result is made of is finite and
 * fits its outcome, or there is an OverflowError.
 *
 * GRADCAM_FUZZ_NETWORKS draws more networks than usual, GRADCAM_FUZZ_SEED others. A failing test names its network by its
 * seed: GRADCAM_FUZZ_SEED=<seed> GRADCAM_FUZZ_NETWORKS=1 is that network alone.
 */
import { describe, expect, it } from 'vitest';
import {
  ACTIVATIONS,
  ALPHA_DENOMINATORS,
  ALPHA_GRADIENTS,
  ALPHA_GUARDS,
  ALPHA_NORMALIZATIONS,
  ALPHA_NUMERATORS,
  type Conventions,
  USUAL_CONVENTIONS,
} from '../../src/conventions.ts';
import { methodOf } from '../../src/custom-method.ts';
import { differenceMap } from '../../src/difference.ts';
import { OverflowError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import {
  METHOD_ROWS,
  METHODS,
  type MethodName,
  type MethodRow,
  needsPooledLayer,
  takesLayer,
  takesPath,
} from '../../src/methods.ts';
import type { Model } from '../../src/model.ts';
import { type Cell, type ExplainOptions, FUSIONS, type SelectionOptions } from '../../src/options.ts';
import { explainProgressively } from '../../src/progressive.ts';
import { SCORE_VARIABLES, SCORES, type ScoreName } from '../../src/scores.ts';
import { assert, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { type Random, random } from '../harness/random.ts';
import {
  type Layout,
  loadSmallVgg,
  noisyPicture,
  type Picture,
  type SmallVgg,
  smallVgg,
} from '../network/small-vgg.ts';
import { type Tensor, tensor } from '../reference/tensor.ts';

const NETWORKS = Number(process.env.GRADCAM_FUZZ_NETWORKS ?? 10);
const FIRST_SEED = Number(process.env.GRADCAM_FUZZ_SEED ?? 1);
const TIMEOUT_MS = 120_000;

/** The weight of class j with a unit, from those of all classes with it. */
type WeightOf = (weights: Float64Array, j: number) => number;

const asDrawn: WeightOf = (weights, j) => weights[j]!;
const PREDICTIONS: readonly { predictions: string; weightOf: WeightOf }[] = [
  { predictions: '', weightOf: asDrawn },
  { predictions: '', weightOf: asDrawn },
  { predictions: 'all classes alike', weightOf: ([first]) => first! },
  { predictions: 'class 0 without a gradient', weightOf: (weights, j) => (j === 0 ? 0 : weights[j]!) },
];

/** Explanations of all networks, by how they ended: a run in which most overflow would show little. */
const ended = { finite: 0, overflowed: 0 };

describe('a result is never NaN', () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + NETWORKS; seed++) {
    const source = random(seed);
    const { vgg, layout, what } = drawNetwork(source, seed);
    gpuTest(
      `network ${seed}: ${what}`,
      async (gpu) => {
        using model = await loadSmallVgg(gpu, vgg, layout);
        for (const method of model.methods) {
          const picture = drawPicture(source);
          const options = drawOptions(source, model, method);
          const described = `${JSON.stringify(options)} of a picture of ${picture.width} × ${picture.height}`;
          const results = await orOverflow(() => explainOne(model, picture, options));
          if (results) {
            for (const result of results) assertSound(result, described);
            await assertPartsFinite(results[0]!, source, described);
          }
          ended[results ? 'finite' : 'overflowed'] += 1;
          if (source.uniform() < 0.1) await orOverflow(() => assertGrowsFinite(model, picture, options, described));
          if (source.uniform() < 0.1) await orOverflow(() => assertFusedFinite(model, picture, options, source));
        }
      },
      TIMEOUT_MS,
    );
  }

  // Of a network or two, all may.
  it.runIf(NETWORKS >= 10)('and most of these explanations did not overflow', () => {
    expect(ended.finite).toBeGreaterThan(3 * ended.overflowed);
  });
});

/**
 * The layers' outputs times powers of two that cancel out behind them: no bit of the logits or of a later layer's map may change,
 * until a layer's output is beyond float32.
 */
describe('a layer’s output of any size', () => {
  const vgg = smallVgg({ name: 'vgg11', channels: 2, seed: 3 });
  const picture = noisyPicture(8, 40);
  const methods = METHODS.filter(
    (method) => METHOD_ROWS[method].place === 'layer' && !needsPooledLayer(METHOD_ROWS[method]),
  );

  for (const layer of ['block2_conv1', 'block3_conv2', 'block4_conv1'] as const) {
    gpuTest(`leaves the maps behind it as they are, or is an error: ${layer}`, async (gpu) => {
      const maps = new Map<string, Float32Array>();
      const overflowed = new Set<number>();
      for (const exponent of [0, 60, 100, 118, 122, 124, 126, 128, 130, 132]) {
        using model = await loadSmallVgg(gpu, magnified(vgg, layer, exponent));
        for (const method of methods) {
          const options = { method, layerName: 'block5_conv2', classIndex: 3 } as const;
          const result = await orOverflow(() => explain(model, picture, options));
          if (!result) overflowed.add(exponent);
          else if (exponent === 0) maps.set(method, result.signed.data);
          else
            assertSameBits(result.signed.data, maps.get(method)!, { what: `${method} with ${layer} × 2^${exponent}` });
        }
      }
      assert(overflowed.has(132) && !overflowed.has(60), `overflowed at 2^${[...overflowed]}`);
    });
  }
});

/** Outputs of the layer, which loses its bias, times 2^exponent, of its neighbours times 2^(exponent / 2), of others as before. */
function magnified(vgg: SmallVgg, layer: string, exponent: number): SmallVgg {
  const names = [...vgg.blocks.flat(), ...vgg.dense].map(({ name }) => name);
  const centre = names.indexOf(layer);
  const half = Math.floor(exponent / 2);
  const exponents = names.map((_, i) => (i === centre ? exponent : Math.abs(i - centre) === 1 ? half : 0));
  const scaled = <T extends SmallVgg['dense'][number] | SmallVgg['blocks'][number][number]>(each: T): T => {
    const i = names.indexOf(each.name);
    const times = ({ shape, data }: Tensor, power: number) =>
      tensor(
        shape,
        data.map((value) => value * 2 ** power),
      );
    const weights = times(each.weights, exponents[i]! - (exponents[i - 1] ?? 0));
    return { ...each, weights, bias: i === centre ? tensor(each.bias.shape) : times(each.bias, exponents[i]!) };
  };
  return { ...vgg, blocks: vgg.blocks.map((block) => block.map(scaled)), dense: vgg.dense.map(scaled) };
}

function explainOne(model: Model, picture: Picture, options: ExplainOptions): Promise<Explanation[]> {
  const classes = options.classIndex as number | number[] | undefined;
  if (Array.isArray(classes)) return explain(model, picture, { ...options, classIndex: classes });
  return explain(model, picture, options).then((result) => [result]);
}

/** Undefined where float32 was left, and said so. */
async function orOverflow<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OverflowError) return undefined;
    throw error;
  }
}

// What is drawn.

function oneOf<T>(source: Random, choices: readonly T[]): T {
  return choices[source.integer(0, choices.length - 1)]!;
}

/** A whole power of ten. */
function powerOfTen(source: Random, min: number, max: number): number {
  return 10 ** source.integer(min, max);
}

function drawNetwork(source: Random, seed: number): { vgg: SmallVgg; layout: Layout; what: string } {
  const name = oneOf(source, ['vgg11', 'vgg16'] as const);
  const head = oneOf(source, ['classifier', 'classifier', name === 'vgg16' ? 'gap' : 'avg'] as const);
  const layers = smallVgg({ name, head, channels: 1 })
    .blocks.flat()
    .map((layer) => layer.name);
  layers.push('fc1', 'fc2', 'predictions');
  const scales = new Map<string, number>();
  const shifts = new Map<string, number>();
  const classes = source.integer(1, 7);
  const faults = Array.from({ length: source.integer(0, 2) }, (): string => {
    const layer = oneOf(source, layers);
    switch (source.integer(0, 6)) {
      case 0: {
        const scale = powerOfTen(source, -8, 3);
        for (const each of layers) scales.set(each, scale);
        return `all layers × ${scale}`;
      }
      case 1:
      case 2:
        scales.set(layer, powerOfTen(source, -30, 30));
        return `${layer} × ${scales.get(layer)}`;
      case 3:
        shifts.set(layer, -1e6);
        return `${layer} dead`;
      case 4:
        scales.set(layer, 0);
        return `${layer} all zero`;
      case 5:
        scales.set('predictions', powerOfTen(source, -6, 4));
        return `logits × ${scales.get('predictions')}`;
      default:
        shifts.set(layer, powerOfTen(source, 0, 20));
        return `${layer} shifted by ${shifts.get(layer)}`;
    }
  });
  const vgg = smallVgg({
    name,
    head,
    batchNorm: head !== 'gap' && source.uniform() < 0.2,
    channels: source.integer(1, 3),
    inputSize: oneOf(source, [32, 64]),
    classes,
    seed,
    scale: (layer) => scales.get(layer) ?? 1,
    shift: (layer) => shifts.get(layer) ?? 0,
  });
  const { predictions, weightOf } = oneOf(source, PREDICTIONS);
  const layout = vgg.batchNorm ? 'torchvision' : oneOf(source, ['keras', 'torchvision'] as const);
  const what = [head === 'classifier' ? name : `${name}-${head}`, layout, `${classes} classes`, ...faults, predictions]
    .filter(Boolean)
    .join(', ');
  return { vgg: withPredictions(vgg, weightOf), layout, what };
}

function withPredictions(vgg: SmallVgg, weightOf: WeightOf): SmallVgg {
  const { classes } = vgg;
  const dense = vgg.dense.map((layer) => {
    if (layer.name !== 'predictions') return layer;
    const { shape, data } = layer.weights;
    const changed = data.map((_, i) =>
      weightOf(data.subarray(i - (i % classes), i - (i % classes) + classes), i % classes),
    );
    return { ...layer, weights: tensor(shape, changed) };
  });
  return { ...vgg, dense };
}

function drawPicture(source: Random): Picture {
  const [width, height] = [oneOf(source, [1, 7, 32, 64, 130]), oneOf(source, [1, 7, 32, 64, 130])];
  const kind = oneOf(source, ['noise', 'noise', 'black', 'one colour', 'one bright pixel'] as const);
  if (kind === 'noise') return noisyPicture(source.integer(0, 99), width, height);
  const data = new Uint8Array(3 * width * height);
  if (kind === 'one colour') data.fill(source.integer(1, 255));
  if (kind === 'one bright pixel') data[source.integer(0, data.length - 1)] = 255;
  return { data, width, height };
}

function drawOptions(source: Random, model: Model, method: MethodName): ExplainOptions {
  const row = METHOD_ROWS[method];
  const layers = needsPooledLayer(row) ? [model.pooledLayer] : model.layerNames;
  const layerName = takesLayer(row) ? oneOf(source, layers) : undefined;
  const conventions = drawConventions(source);
  const takesNoise = !row.masks && !takesPath(row) && (row.needsGradient || conventions.activations !== 'clean');
  const score = oneOf(source, SCORES);
  const classIndex = drawClasses(source, model);
  return {
    method,
    layerName,
    ...conventions,
    nSamples: takesNoise ? source.integer(0, 3) : 0,
    stdDev: oneOf(source, [0, 1e-6, 0.15, 1, 1e4, 1e20, 1e38]),
    noiseScale: oneOf(source, ['relative', 'absolute']),
    seed: source.integer(0, 1e9),
    steps: source.integer(1, 4),
    baseline: oneOf(source, ['black', 'mean']),
    score,
    maxDroppedShare: oneOf(source, [0, 1e-3, 0.5]),
    sampleWeights: score === 'exp' ? oneOf(source, ['uniform', 'score']) : 'uniform',
    classIndex: classIndex as number | undefined,
    contrast: takesContrast(row, score) ? drawContrast(source, model, classIndex) : undefined,
    fit: oneOf(source, ['squash', 'crop', 'pad']),
    batch: oneOf(source, [undefined, 1, 2]),
    ...(row.place === 'layer' ? drawSelection(source, model, layerName) : {}),
  };
}

/** Those of the papers, or others. */
function drawConventions(source: Random): Conventions {
  if (source.uniform() < 0.5) return USUAL_CONVENTIONS;
  return {
    alphaNumerator: oneOf(source, ALPHA_NUMERATORS),
    alphaDenominator: oneOf(source, ALPHA_DENOMINATORS),
    alphaEpsilon: oneOf(source, [0, 1e-10, 1]),
    alphaGuard: oneOf(source, ALPHA_GUARDS),
    alphaNormalization: oneOf(source, ALPHA_NORMALIZATIONS),
    alphaGradient: oneOf(source, ALPHA_GRADIENTS),
    activations: oneOf(source, ACTIVATIONS),
  };
}

/** None, one or a list. */
function drawClasses(source: Random, { classCount }: Model): number | number[] | undefined {
  const one = source.integer(0, classCount - 1);
  return oneOf(source, [undefined, one, [...new Set([one, classCount - 1, 0])]]);
}

function takesContrast(row: MethodRow, score: ScoreName): boolean {
  if (needsPooledLayer(row)) return true;
  const isPlainGradient = row.needsGradient && !(row.place === 'input' && row.rule !== 'gradient');
  return isPlainGradient && SCORE_VARIABLES[score] === 'logit';
}

/** None, or a class other than those explained: where the network chooses, it may choose this one, which is refused. */
function drawContrast(
  source: Random,
  { classCount }: Model,
  classIndex: number | number[] | undefined,
): number | undefined {
  const contrast = source.integer(0, classCount - 1);
  const isExplained = [classIndex].flat().includes(contrast);
  const drawn = isExplained ? undefined : oneOf(source, [undefined, undefined, contrast]);
  return classIndex === undefined ? undefined : drawn;
}

function drawSelection(source: Random, model: Model, layerName: string | undefined): SelectionOptions {
  const [maps, height, width] = model.resolveLayer(layerName).shape;
  const cell = (): Cell => [source.integer(0, height - 1), source.integer(0, width - 1)];
  const filters = [source.integer(0, maps - 1), source.integer(0, maps - 1)];
  return {
    filters: oneOf(source, [undefined, undefined, filters]),
    combineFilters: oneOf(source, ['each', 'sum']),
    ...oneOf(source, [{}, {}, { subset: [cell()] }, { region: true, subset: [cell(), cell()] }]),
  };
}

// What must be true of it.

function assertFinite(values: ArrayLike<number>, what: string): void {
  const broken = Array.prototype.find.call(values, (value: number) => !Number.isFinite(value));
  assert(broken === undefined, `${what} holds ${broken}`);
}

/** Everything that is a number is one, and the outcome is what the maps show. */
function assertSound(result: Explanation, what: string): void {
  const { map, signed, predictions, outcome, alphaZeroCells, alphaCells, droppedMass, completeness } = result;
  assertFinite(map.data, `the map of ${what}`);
  assertFinite(signed.data, `the signed map of ${what}`);
  assertFinite([result.logit, droppedMass, ...Object.values(completeness ?? {})], `a number of ${what}`);
  for (const { logit, probability } of predictions) {
    assertFinite([logit], `a logit of ${what}`);
    assert(probability >= 0 && probability <= 1, `a probability of ${probability}, ${what}`);
  }
  assert(
    map.data.every((value) => value >= 0),
    `a map below zero: ${what}`,
  );
  assert(alphaZeroCells <= alphaCells, `${alphaZeroCells} α cells set to zero of ${alphaCells}: ${what}`);
  assert(droppedMass >= 0 && droppedMass <= 1, `dropped mass ${droppedMass}: ${what}`);
  const isZero = map.data.every((value) => value === 0);
  const isDegenerate = alphaCells > 0 && alphaZeroCells === alphaCells;
  const isNegative = signed.data.some((value) => value < 0);
  const isAtInput = methodOf(result.options.method).place === 'input';
  const expected = isDegenerate ? ['degenerate'] : !isZero ? ['ok'] : isNegative ? ['negative-only'] : ['empty'];
  // The channels of an input's cell may cancel out, to zero or to a rest below float32's range.
  if (isAtInput && isZero && isNegative) expected.push('empty');
  assert(expected.includes(outcome), `outcome ${outcome} instead of ${expected}: ${what}`);
  if (isDegenerate) assert(isZero, `degenerate, but not zero: ${what}`);
}

/** What is made of a result later on. */
async function assertPartsFinite(result: Explanation, source: Random, what: string): Promise<void> {
  const enlarged = await result.upsample();
  assertFinite(enlarged.data, `the enlarged map of ${what}`);
  for (const { box, area, score, mean, max } of result.boxes()) {
    assertFinite([...box, area, score, mean, max], `a box of ${what}`);
  }
  if (source.uniform() < 0.2) await result.overlay();
  if (methodOf(result.options.method).place !== 'layer') return;
  const filters = [source.integer(0, 0)];
  const combined = await orOverflow(() => result.combine({ filters }));
  if (combined) assertFinite(combined.signed.data, `a combined map of ${what}`);
  const top = await orOverflow(() => result.topFilters(3));
  if (top)
    assertFinite(
      top.map(({ contribution }) => contribution),
      `contributions to ${what}`,
    );
}

/** The same, as it grows. */
async function assertGrowsFinite(model: Model, picture: Picture, options: ExplainOptions, what: string): Promise<void> {
  const row = methodOf(options.method!);
  if (!row.needsGradient || takesPath(row) || options.method === 'guided-grad-cam') return;
  const growing = { activations: 'clean', sampleWeights: 'uniform', nSamples: 4, batch: 1 } as const;
  const ofClass = { classIndex: 0, contrast: undefined };
  for await (const step of explainProgressively(model, picture, { ...options, ...growing, ...ofClass })) {
    assertFinite(step.signed.data, `after ${step.samples} copies the map of ${what}`);
    if (step.standardError) assertFinite(step.standardError.data, `the standard error of ${what}`);
    if (step.uncertainty !== undefined) assertFinite([step.uncertainty], `the uncertainty of ${what}`);
  }
}

/** Two layers' maps as one, and where one class's shows more than another's. */
async function assertFusedFinite(
  model: Model,
  picture: Picture,
  { filters, subset, region, classIndex, contrast, ...options }: ExplainOptions,
  source: Random,
): Promise<void> {
  const row = methodOf(options.method!);
  if (row.place !== 'layer' || needsPooledLayer(row)) return;
  const [first, second] = [source.integer(0, 3), source.integer(4, model.layerNames.length - 1)];
  const layerName = [model.layerNames[first]!, model.layerNames[second]!];
  const fusion = oneOf(source, FUSIONS);
  const fused = await explain(model, picture, { ...options, layerName, fusion });
  const what = `${fusion} of ${layerName} by ${JSON.stringify(options)}`;
  assertFinite(fused.map.data, `the ${what}`);
  const isPositive = fused.map.data.some((value) => value > 0);
  assert((fused.outcome === 'ok') === isPositive, `outcome ${fused.outcome}: ${what}`);
  for (const each of fused.layers) assertSound(each, what);
  assertFinite(differenceMap(fused.layers[0]!, fused.layers[1]!).data, `the difference of ${what}`);
  await fused.overlay();
}
