/** The maps of several layers as one. */
import type { Outcome } from './cam/outcome.ts';
import { OptionError } from './errors.ts';
import type { Explanation, HeatMaps, Timings } from './explanation.ts';
import { boxesOf } from './image/boxes.ts';
import { largestSize, normalizedMaps } from './image/normalize.ts';
import { upsampleMaps } from './image/upsample.ts';
import type { Model } from './model.ts';
import { FUSIONS, type FusedOptions, type Fusion } from './options.ts';
import { checksumOf } from './weights/sha256.ts';

/**
 * One class's explanation at several layers. `map` is fused, 0 … 1, and so is `signed`, which has nothing below zero: the
 * layers' maps are behind their ReLUs. The counts of α's cells are those of all layers together. combine() and topFilters()
 * are those of a single layer: ask one of `layers`; release() is that of all of them.
 */
export interface FusedExplanation extends Explanation<FusedOptions> {
  /** The explanation at each layer, in the order that they were asked for. */
  readonly layers: readonly Explanation[];
}

/** How the values of a cell become one. */
const FUSE: Readonly<Record<Fusion, (values: readonly number[]) => number>> = {
  mean: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
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

/** @param layers explanations of one class and picture, by one method and the same noise */
export async function fuse(model: Model, layers: readonly Explanation[], fusion: Fusion): Promise<FusedExplanation> {
  const [first] = layers;
  const { provenance, view } = first;
  const map = fuseMaps(
    layers.map((layer) => layer.map),
    fusion,
  );
  const options = { ...first.options, layerName: layers.map((layer) => layer.options.layerName as string), fusion };
  const refuse = async (call: string) => {
    throw new OptionError(
      'fusion',
      fusion,
      `none for ${call}: it is that of a layer, layers[0] or another of the result`,
    );
  };
  const release = () => {
    for (const layer of layers) layer.release();
  };
  return {
    ...first,
    layers,
    map,
    signed: map,
    outcome: outcomeOf(map, layers),
    alphaZeroCells: layers.reduce((sum, { alphaZeroCells }) => sum + alphaZeroCells, 0),
    alphaCells: layers.reduce((sum, { alphaCells }) => sum + alphaCells, 0),
    options,
    timings: sumOfTimings(layers),
    provenance: { ...provenance, options, map: { shape: map.shape, checksum: await checksumOf(map.data) } },
    upsample: (size = { height: model.inputShape[1], width: model.inputShape[2] }) =>
      upsampleMaps(model.gpu, map, size),
    overlay: (overlayOptions) => first.overlay({ heat: map, ...overlayOptions }),
    boxes: (boxOptions) => boxesOf(map, { picture: provenance.picture, view }, boxOptions),
    combine: () => refuse('combine()'),
    topFilters: () => refuse('topFilters()'),
    release,
    [Symbol.dispose]: release,
  };
}

/** Layers of one pass have the same timings; passes follow each other. */
function sumOfTimings(layers: readonly Explanation[]): Timings {
  return [...new Set(layers.map(({ timings }) => timings))].reduce((sum, pass) => ({
    prepare: sum.prepare + pass.prepare,
    compute: sum.compute + pass.compute,
    read: sum.read + pass.read,
    total: sum.total + pass.total,
    gpu: sum.gpu === undefined || pass.gpu === undefined ? undefined : sum.gpu + pass.gpu,
  }));
}

/** A fused map is empty for the reason that all layers' are, or because no cell is in all of them. */
function outcomeOf({ data }: HeatMaps, layers: readonly Explanation[]): Outcome {
  if (data.some((value) => value > 0)) return 'ok';
  const [first, ...others] = layers.map(({ outcome }) => outcome);
  return first !== 'ok' && others.every((other) => other === first) ? first : 'empty';
}
