/** How well a heat map lies on the objects it should explain. docs/metrics.md has the definitions and their sources. */
import { DEFAULT_THRESHOLD } from '../image/boxes.ts';
import { forEachPixel, type LabelledPixels, PIXEL } from './ground-truth.ts';

/** Shares of the map's maximum among which the best threshold is sought: 0.05, 0.10 … 0.95. */
export const THRESHOLDS: readonly number[] = Array.from({ length: 19 }, (_, k) => (k + 1) / 20);

/** Share of an instance's visible pixels that the thresholded map must cover to hit it. */
export const HIT_COVERAGE = 0.5;

export interface Measures {
  /** Share of the map's highest pixels that lie on an object: 1 or 0, unless several pixels are equally high. */
  readonly pointing: number;
  /** Share of the map's sum that lies on objects, 0 … 1. */
  readonly energy: number;
  /** Intersection over union of the objects with the map's pixels of at least `threshold` times its maximum. */
  readonly iou: number;
  /** The same at each of THRESHOLDS. */
  readonly ious: readonly number[];
  /** Instances of which that thresholded map covers at least HIT_COVERAGE. */
  readonly hits: number;
}

/**
 * Measures a map against the ground truth. A map without a positive value, such as one whose outcome is not 'ok', points
 * at nothing and scores 0 throughout.
 *
 * @param map [height, width] of the picture, ≥ 0
 * @param truth with at least one object pixel
 * @param threshold of `iou` and `hits`, a share of the map's maximum, above 0
 */
export function measure(map: Float32Array, truth: LabelledPixels, threshold = DEFAULT_THRESHOLD): Measures {
  const { kinds } = truth;
  const { peak, peakPixels, peakOnObject, sum, sumOnObject } = totals(map, kinds);
  if (peak === 0) return { pointing: 0, energy: 0, iou: 0, ious: THRESHOLDS.map(() => 0), hits: 0 };
  const overlaps = overlapsAt([...THRESHOLDS, threshold], peak, map, truth);
  return {
    pointing: peakOnObject / peakPixels,
    energy: sumOnObject / sum,
    iou: overlaps[THRESHOLDS.length]!,
    ious: overlaps.slice(0, THRESHOLDS.length),
    hits: countHits(threshold * peak, map, truth),
  };
}

function totals(map: Float32Array, kinds: Uint8Array) {
  let [peak, peakPixels, peakOnObject, sum, sumOnObject] = [0, 0, 0, 0, 0];
  for (let at = 0; at < map.length; at++) {
    const value = map[at]!;
    const kind = kinds[at];
    if (kind === PIXEL.ignored || value <= 0) continue;
    sum += value;
    if (kind === PIXEL.object) sumOnObject += value;
    if (value > peak) [peak, peakPixels, peakOnObject] = [value, 0, 0];
    if (value === peak) {
      peakPixels++;
      if (kind === PIXEL.object) peakOnObject++;
    }
  }
  return { peak, peakPixels, peakOnObject, sum, sumOnObject };
}

/** Intersection over union for each threshold. */
function overlapsAt(thresholds: readonly number[], peak: number, map: Float32Array, truth: LabelledPixels): number[] {
  return thresholds.map((threshold) => {
    const level = threshold * peak;
    let covered = 0;
    let coveredObject = 0;
    for (let at = 0; at < map.length; at++) {
      if (map[at]! < level || truth.kinds[at] === PIXEL.ignored) continue;
      covered++;
      if (truth.kinds[at] === PIXEL.object) coveredObject++;
    }
    return coveredObject / (covered + truth.objectPixels - coveredObject);
  });
}

function countHits(level: number, map: Float32Array, truth: LabelledPixels): number {
  return truth.instances.filter((instance) => {
    let pixels = 0;
    let covered = 0;
    forEachPixel(truth, instance, (at) => {
      if (truth.kinds[at] === PIXEL.ignored) return;
      pixels++;
      if (map[at]! >= level) covered++;
    });
    return covered >= HIT_COVERAGE * pixels;
  }).length;
}
