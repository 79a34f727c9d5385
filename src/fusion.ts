/** The maps of several layers as one. */
import { OptionError } from './errors.ts';
import type { HeatMaps } from './explanation.ts';
import { largestSize, normalizedMaps } from './image/normalize.ts';
import { FUSIONS, type Fusion } from './options.ts';
import { sumOf } from './sum.ts';

/** How the values of a cell become one. */
const FUSE: Readonly<Record<Fusion, (values: readonly number[]) => number>> = {
  mean: (values) => sumOf(values) / values.length,
  max: (values) => Math.max(...values),
  product: (values) => values.reduce((product, value) => product * value, 1),
};

/**
 * Makes one map of several, such as those of several layers: each is divided by its largest value, enlarged bilinearly with
 * half-pixel centres to the height and width of the largest, and then they are fused cell by cell.
 *
 *   'mean' as pytorch-grad-cam does with several target layers; a cell counts as far as the layers agree on it.
 *   'max' as LayerCAM (Jiang et al. 2021), without its tanh, and torch-cam; a cell counts that any layer shows.
 *   'product' as Poly-CAM (Englebert et al. 2022) takes finer layers together with coarser ones; a cell counts that all show.
 *
 * @param maps raw maps [maps, height, width], ≥ 0; as many each. One that is zero everywhere counts as zeros.
 * @returns [maps, height, width], 0 … 1
 * @throws OptionError
 */
export function fuseMaps(
  maps: readonly HeatMaps[],
  fusion: Fusion,
): HeatMaps & {
  /** 0 … 1, maps one after the other. */
  readonly data: Float32Array<ArrayBuffer>;
} {
  if (!FUSIONS.includes(fusion)) throw new OptionError('fusion', fusion, FUSIONS.join(', '));
  const counts = new Set(maps.map(({ shape: [count] }) => count));
  if (counts.size !== 1) {
    throw new OptionError('maps', [...counts], 'at least one, and of all of them as many maps');
  }
  const size = largestSize(maps);
  const [count] = counts;
  const layers = maps.map((heat) => normalizedMaps(heat, size));
  const fuseCell = FUSE[fusion];
  const data = new Float32Array(layers[0].length).map((_, cell) => fuseCell(layers.map((values) => values[cell])));
  return { data, shape: [count, size.height, size.width] };
}
