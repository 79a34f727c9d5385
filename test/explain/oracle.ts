/** An explanation by the library next to the same one by the float64 oracle. */
import { explain } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import type { Model } from '../../src/model.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { assert, assertClose, assertEqual, type CloseOptions } from '../harness/assertions.ts';
import {
  type Layout,
  type Picture,
  referenceBaseline,
  referenceInput,
  referenceNetwork,
  type SmallVgg,
} from '../network/small-vgg.ts';
import { attribute as attributeByOracle, isInputMethod } from '../reference/attribute.ts';
import type { Doubt } from '../reference/doubt.ts';
import { explain as explainByOracle, type ReferenceExplanation } from '../reference/explain.ts';

/** maths.md: max|L − ref| / max|ref| of float32, with direct or F(2 × 2) convolutions, and with F(4 × 4). */
export const mapTolerance = ({ gpu }: Model) => (gpu.tuner.forced === 'winograd-4' ? 1e-3 : 1e-4);
/**
 * Winograd's gradients are tiny where exact ones are zero, which happens in networks as narrow as the tests': α is not set to
 * zero there, and where activations are so large that it does not depend on the gradient's size, the map is another. Nor is a
 * map of zeros alone one any more.
 */
export const keepsZeros = ({ gpu }: Pick<Model, 'gpu'>) => !gpu.tuner.forced?.startsWith('winograd');

/**
 * What a forced kernel's sums may be taken for: float32's rounding, or ten times it, as F(4 × 4) may have ten times the error.
 * F(4 × 4) also breaks ties: in a narrow network there are cells with nothing but the bias.
 */
function doubtsOf(model: Model): Doubt[] {
  const tieWinners = model.gpu.tuner.forced === 'winograd-4' ? [0, 1, 2] : [undefined];
  return tieWinners.map((tieWinner) => ({ share: 2.5e-3 * mapTolerance(model), tieWinner }));
}

/** Share of a map's cells that may hang on such switches. */
const MOST_DOUBTFUL = 1 / 32;

export interface ReferenceCase {
  readonly vgg: SmallVgg;
  readonly layout: Layout;
  readonly picture: Picture;
}

/** What the oracle says of a map at a layer or at the input. */
export type Expected = Omit<ReferenceExplanation, 'weights' | 'activations' | 'gradients'> & { gained?: number };

const WITHOUT_ALPHA = { alphaZeroCells: 0, alphaCells: 0 };

/** @param doubt which decisions of the network are taken the other way */
export function referenceOf(
  { vgg, layout, picture }: ReferenceCase,
  { method = 'smooth-grad-cam++', layerName = defaultLayer(vgg, method), ...options }: ExplainOptions,
  doubt?: Doubt,
): Expected {
  const input = referenceInput(vgg, layout, picture, options.fit);
  const network = referenceNetwork(vgg).map((layer) => ({ ...layer, doubt }));
  if (typeof method !== 'string') throw new Error(`the oracle knows nothing of ${method.name}`);
  if (isInputMethod(method)) {
    const baseline = referenceBaseline(layout, options.baseline);
    return { ...attributeByOracle(network, input, baseline, { ...options, method, layerName }), ...WITHOUT_ALPHA };
  }
  return explainByOracle(network, input, { ...options, method, layerName });
}

/** The last convolution, and for CAM the layer whose maps are pooled. */
function defaultLayer({ blocks, head }: SmallVgg, method: ExplainOptions['method']): string {
  return method === 'cam' && head === 'avg' ? 'block5_pool' : blocks.at(-1)!.at(-1)!.name;
}

function assertComplete({ completeness, logit }: Explanation, { signed, gained }: Expected): void {
  assertEqual(completeness === undefined, gained === undefined, 'whether the method has a baseline');
  if (!completeness || gained === undefined) return;
  const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
  const scale = sum(signed.data.map(Math.abs));
  const difference = Math.abs(completeness.attributed - sum(signed.data));
  assert(difference <= 1e-5 * scale, `the sum of all attributions is off by ${difference} of ${scale}`);
  const tolerance = 1e-5 * Math.max(Math.abs(logit), Math.abs(gained));
  assert(Math.abs(completeness.gained - gained) <= tolerance, `gained ${completeness.gained}, expected ${gained}`);
  assertEqual(completeness.gap, completeness.attributed - completeness.gained, 'the gap');
}

/**
 * Whether the cells are the oracle's. The tests' pictures, seeds and steps are such that no decision lies within the rounding of
 * the usual kernels of its switch; of a forced one, few cells that hang on such decisions are left out.
 */
function assertCells(
  { gpu }: Model,
  found: Float32Array,
  expected: Float64Array,
  options: Required<Pick<CloseOptions, 'what' | 'shape' | 'tolerance' | 'scale'>>,
  otherwise: () => readonly Float64Array[],
): void {
  const allowed = options.tolerance * options.scale;
  const isDecided =
    gpu.tuner.forced === undefined || expected.every((value, i) => Math.abs(found[i]! - value) <= allowed);
  const others = isDecided ? [] : otherwise();
  const hangs = Array.from(expected, (value, i) => others.some((other) => Math.abs(other[i]! - value) > allowed / 2));
  const count = hangs.filter(Boolean).length;
  assert(count <= MOST_DOUBTFUL * hangs.length, `${options.what}: ${count} of ${hangs.length} cells hang on rounding`);
  const compared = found.map((value, i) => (hangs[i] ? expected[i]! : value));
  assertClose(compared, expected, {
    ...options,
    what: count > 0 ? `${options.what}, less ${count} cells that hang on rounding` : options.what,
  });
}

/** Explains and compares everything that the oracle knows. */
export async function assertExplains(
  model: Model,
  reference: ReferenceCase,
  options: ExplainOptions,
): Promise<Explanation> {
  const expected = referenceOf(reference, options);
  const result = await explain(model, reference.picture, { ...options, topK: model.classCount });
  const what = JSON.stringify(options);
  if (!keepsZeros(model) && result.alphaZeroCells !== expected.alphaZeroCells) return result;
  let doubted: Expected[] | undefined;
  const compare = (which: 'map' | 'signed', scale: number) => {
    const { data, shape } = expected[which];
    const closeness = { what: `${which}, ${what}`, shape, tolerance: mapTolerance(model), scale };
    assertEqual(result[which].shape, shape, `shape of the ${which}, ${what}`);
    assertCells(model, result[which].data, data, closeness, () => {
      doubted ??= doubtsOf(model).map((doubt) => referenceOf(reference, options, doubt));
      return doubted.map((each) => each[which].data);
    });
  };
  const size = (values: Iterable<number>) => [...values].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const signedSize = size(expected.signed.data);
  // Of a map of zeros: what is left of the signed one's rounding.
  compare('map', size(expected.map.data) || (keepsZeros(model) ? 0 : signedSize));
  compare('signed', signedSize);
  if (keepsZeros(model) || expected.outcome !== 'negative-only') {
    assertEqual(result.outcome, expected.outcome, `outcome, ${what}`);
  }
  assertComplete(result, expected);
  assertEqual(result.alphaZeroCells, expected.alphaZeroCells, `α cells set to zero, ${what}`);
  assertEqual(result.alphaCells, expected.alphaCells, 'α cells');
  assertEqual(result.classIndex, expected.classIndex, `class, ${what}`);
  assertEqual(result.logit, result.predictions.find((p) => p.classIndex === result.classIndex)?.logit, 'its logit');

  const inOrder = (of: 'logit' | 'probability') =>
    result.predictions.toSorted((a, b) => a.classIndex - b.classIndex).map((prediction) => prediction[of]);
  assertClose(inOrder('logit'), expected.logits.data, { what: 'logits', tolerance: 1e-5 });
  assertClose(inOrder('probability'), expected.probabilities.data, { what: 'probabilities', tolerance: 1e-4 });
  const descending = result.predictions.every(({ logit }, i, all) => i === 0 || logit <= all[i - 1]!.logit);
  assert(descending, 'the most probable prediction must come first');
  return result;
}
