/** The explanation map L: feature maps, weighted and summed. */
import { relu } from './relu.ts';
import { expectShape, type Tensor, tensor } from './tensor.ts';

export type Cell = readonly [row: number, column: number];

export interface MapOptions {
  /** Only these feature maps; without it all of them, summed into one map. */
  readonly filters?: readonly number[] | undefined;
  /** With `filters`: a map for each ('each', default) or their sum ('sum'). */
  readonly combineFilters?: 'each' | 'sum' | undefined;
  /** true: `subset` is two corners of a box, both included; false (default): single cells. */
  readonly region?: boolean | undefined;
  /** The cells that enter the sum; the others count as zero. Default: all. */
  readonly subset?: readonly Cell[] | undefined;
}

/** Which cells of an H×W map enter the sum: [H, W] of 1 and 0. */
export function subsetMask([height, width]: readonly [number, number], { region, subset }: MapOptions): Tensor {
  const mask = tensor([height, width]);
  if (subset === undefined) return tensor([height, width], mask.data.fill(1));
  for (const [row, column] of subset) {
    if (!(row >= 0 && row < height && column >= 0 && column < width)) {
      throw new RangeError(`cell [${row}, ${column}] is outside the map of ${height} × ${width}`);
    }
  }
  if (!region) {
    for (const [row, column] of subset) mask.data[row * width + column] = 1;
    return mask;
  }
  if (subset.length !== 2) throw new RangeError(`a region has two corners, not ${subset.length}`);
  const [[rowA, columnA], [rowB, columnB]] = subset as readonly [Cell, Cell];
  for (let row = Math.min(rowA, rowB); row <= Math.max(rowA, rowB); row++) {
    for (let column = Math.min(columnA, columnB); column <= Math.max(columnA, columnB); column++) {
      mask.data[row * width + column] = 1;
    }
  }
  return mask;
}

/**
 * signed = Σ_k W_k · A_k · mask over the feature maps chosen, map = ReLU(signed).
 *
 * @param activations A, [K, H, W]
 * @param weights W, from the full maps whatever the subset is: [K], or [K, H, W] with a weight for each cell
 * @returns both [maps, H, W], with one map for each filter where they are wanted each
 */
export function explanationMap(
  activations: Tensor,
  weights: Tensor,
  options: MapOptions = {},
): { signed: Tensor; map: Tensor } {
  const [featureMaps, height, width] = activations.shape as readonly number[] as [number, number, number];
  const perCell = weights.shape.length > 1;
  expectShape('the weights', weights, perCell ? activations.shape : [featureMaps]);
  const { filters, combineFilters = 'each' } = options;
  const all = Array.from({ length: featureMaps }, (_, k) => k);
  const sums = filters === undefined ? [all] : combineFilters === 'sum' ? [filters] : filters.map((k) => [k]);
  const mask = subsetMask([height, width], options);
  const cells = height * width;
  const signed = tensor([sums.length, height, width]);
  sums.forEach((summed, index) => {
    for (const k of summed) {
      if (!(k >= 0 && k < featureMaps)) throw new RangeError(`filter ${k} is outside 0 … ${featureMaps - 1}`);
      for (let cell = 0; cell < cells; cell++) {
        const weight = weights.data[perCell ? k * cells + cell : k]!;
        signed.data[index * cells + cell]! += weight * activations.data[k * cells + cell]! * mask.data[cell]!;
      }
    }
  });
  return { signed, map: relu(signed) };
}
