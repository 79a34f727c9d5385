/** One picture, explained by each method and measured against its ground truth. */
import { ImageError } from '../errors.ts';
import { explain } from '../explain.ts';
import type { Pixels } from '../image/picture.ts';
import { upsampleToPicture } from '../image/upsample-to-picture.ts';
import type { Model } from '../model.ts';
import type { ExplainOptions, FusionOptions } from '../options.ts';
import { type GroundTruth, labelPixels } from './ground-truth.ts';
import { measure } from './metrics.ts';
import type { MapMeasures, PictureMeasures } from './tally.ts';

/** A method with its options, under the name that results have. */
export interface MethodVariant {
  readonly name: string;
  readonly options: ExplainOptions | FusionOptions;
}

export interface PictureEvaluation extends PictureMeasures {
  /** The class that was explained. */
  readonly classIndex: number;
  /** The most probable class of the picture. */
  readonly predictedIndex: number;
}

export interface EvaluateOptions {
  /** The class to explain. Default: the most probable one. */
  readonly classIndex?: number;
  /** Share of the map's maximum for `iou` and the hits. */
  readonly threshold: number;
  readonly signal?: AbortSignal;
}

/**
 * Explains a picture by each of the methods, all for the same class, and measures the maps. Where filters give several
 * maps, the first counts.
 *
 * @returns undefined if no pixel is known to be object, so that there is nothing to measure against.
 * @throws ImageError if the ground truth has another size, and what explain() throws
 */
export async function evaluatePicture(
  model: Model,
  picture: Pixels,
  truth: GroundTruth,
  variants: readonly MethodVariant[],
  { classIndex, threshold, signal }: EvaluateOptions,
): Promise<PictureEvaluation | undefined> {
  if (truth.width !== picture.width || truth.height !== picture.height) {
    throw new ImageError(
      `ground truth of ${truth.width} × ${truth.height} pixels for a picture of ${picture.width} × ${picture.height}`,
    );
  }
  const pixels = labelPixels(truth);
  if (pixels.objectPixels === 0) return undefined;

  const maps: MapMeasures[] = [];
  let explained = classIndex;
  let predictedIndex = 0;
  for (const { options } of variants) {
    const result = await explain(model, picture, { ...options, classIndex: explained, signal });
    explained = result.classIndex;
    predictedIndex = result.predictions[0]!.classIndex;
    const [, height, width] = result.map.shape;
    const map = upsampleToPicture({ data: result.map.data, height, width }, result.view, picture);
    maps.push({ outcome: result.outcome, ...measure(map, pixels, threshold) });
  }
  return {
    classIndex: explained!,
    predictedIndex,
    instances: pixels.instances.length,
    objectShare: pixels.objectPixels / pixels.countedPixels,
    maps,
  };
}
