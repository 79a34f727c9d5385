/** One class's explanations at several layers as one. */
import type { Outcome } from './cam/outcome.ts';
import { OptionError } from './errors.ts';
import type { Explanation, HeatMaps, Timings } from './explanation.ts';
import { fuseMaps } from './fusion.ts';
import { boxesOf } from './image/boxes.ts';
import { upsampleMaps } from './image/upsample.ts';
import type { Model } from './model.ts';
import type { FusedOptions, Fusion } from './options.ts';
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
