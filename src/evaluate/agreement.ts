/** How alike two maps of one picture are, in numbers. */
import { OptionError } from '../errors.ts';
import { largestSize, normalizedMaps } from '../image/normalize.ts';

/** Share of its largest value from which on a map's cells count as what it shows. */
const SHOWN_FROM = 0.5;

/** How alike two maps are; see agreementOf(). */
export interface Agreement {
  /** Largest difference of a cell, 0 … 1. */
  readonly maxDifference: number;
  /**
   * Spearman's rank correlation of the cells, −1 … 1: whether both maps put them in the same order, whatever the values. Undefined
   * where a map has the same value everywhere, which is no order.
   */
  readonly rankCorrelation: number | undefined;
  /**
   * Intersection over union of the cells with at least half of their map's largest value, 0 … 1: whether both maps show the same
   * place. Undefined where neither has a value above zero.
   */
  readonly overlap: number | undefined;
}

type Maps = Parameters<typeof normalizedMaps>[0];

/**
 * Compares maps of one picture one by one: each divided by its largest value, and where their sizes differ enlarged bilinearly
 * to the larger one.
 *
 * @param a raw maps [maps, height, width], ≥ 0
 * @param b as many
 * @throws OptionError
 */
export function agreementOf(a: Maps, b: Maps): Agreement[] {
  const [count] = a.shape;
  if (b.shape[0] !== count) throw new OptionError('maps', b.shape[0], `${count}, as many as on the other side`);
  const size = largestSize([a, b]);
  const cells = size.height * size.width;
  const [ofA, ofB] = [a, b].map((maps) => normalizedMaps(maps, size));
  return Array.from({ length: count }, (_, map) => {
    const [one, other] = [ofA, ofB].map((values) => values!.subarray(map * cells, (map + 1) * cells));
    return {
      maxDifference: one!.reduce((largest, value, cell) => Math.max(largest, Math.abs(value - other![cell]!)), 0),
      rankCorrelation: rankCorrelation(one!, other!),
      overlap: overlapOf(one!, other!),
    };
  });
}

/** @param a, b divided by their largest value, or zero everywhere */
function overlapOf(a: Float32Array, b: Float32Array): number | undefined {
  let [both, either] = [0, 0];
  for (let cell = 0; cell < a.length; cell++) {
    const isInA = a[cell]! >= SHOWN_FROM;
    const isInB = b[cell]! >= SHOWN_FROM;
    if (isInA && isInB) both++;
    if (isInA || isInB) either++;
  }
  return either === 0 ? undefined : both / either;
}

/** Pearson's correlation of the ranks, which is Spearman's also where values are equal. */
function rankCorrelation(a: Float32Array, b: Float32Array): number | undefined {
  const [x, y] = [centredRanks(a), centredRanks(b)];
  const product = (p: Float64Array, q: Float64Array) => p.reduce((sum, value, i) => sum + value * q[i]!, 0);
  const scale = Math.sqrt(product(x, x) * product(y, y));
  return scale === 0 ? undefined : product(x, y) / scale;
}

/** Each value's rank less the mean rank; equal values share the mean of theirs. */
function centredRanks(values: Float32Array): Float64Array {
  const order = Uint32Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!);
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let i = first; i < end; i++) ranks[order[i]!] = (first + end - order.length) / 2;
    first = end;
  }
  return ranks;
}
