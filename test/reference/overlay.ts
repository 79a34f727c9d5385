/** A picture with a heat map over it, before its rounding to 8 bits. */
import { expectShape, type Tensor, tensor } from './tensor.ts';

export interface OverlayParameters {
  /** The rectangle that the map covers, in the picture's pixels; pixel (0, 0) has its centre at (0.5, 0.5). */
  readonly view: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** Map values of the first and the last colour. */
  readonly low: number;
  readonly high: number;
  /** 0 … 1: the share of the heat map's colour. */
  readonly opacity: number;
}

/** The map at a point given in cells, bilinear between the centres of the cells, the edges held. @param heat [h, w] */
function valueAt(heat: Tensor, row: number, column: number): number {
  const [height, width] = heat.shape as readonly number[] as [number, number];
  const clamp = (position: number, size: number) => Math.min(Math.max(position - 0.5, 0), size - 1);
  const [y, x] = [clamp(row, height), clamp(column, width)];
  let value = 0;
  // Every cell counts by how near it is, and all but four are a whole cell away.
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      value += Math.max(0, 1 - Math.abs(i - y)) * Math.max(0, 1 - Math.abs(j - x)) * heat.data[i * width + j]!;
    }
  }
  return value;
}

/**
 * Where in the colour map each pixel lies: 0 at `low` and below, 255 at `high` and above, unrounded; NaN for a pixel whose
 * centre is outside the view.
 *
 * @param heat [h, w]
 * @returns [height, width]
 */
export function heatLevels(
  [height, width]: readonly [height: number, width: number],
  heat: Tensor,
  { view, low, high }: OverlayParameters,
): Tensor {
  const levels = tensor([height, width]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const down = (y + 0.5 - view.top) / view.height;
      const across = (x + 0.5 - view.left) / view.width;
      const isInside = down >= 0 && down <= 1 && across >= 0 && across <= 1;
      const value = valueAt(heat, down * heat.shape[0]!, across * heat.shape[1]!);
      const share = Math.min(Math.max((value - low) / (high - low), 0), 1);
      levels.data[y * width + x] = isInside ? 255 * share : Number.NaN;
    }
  }
  return levels;
}

/**
 * (1 − opacity) · picture + opacity · colour inside the view, the picture itself outside. Alpha is ignored.
 *
 * @param picture [height, width, 4], 0 … 255
 * @param levels of heatLevels, [height, width]; the nearest entry of the colour map is taken
 * @param colors [256, 3], 0 … 255
 * @returns [height, width, 3], 0 … 255
 */
export function overlay(picture: Tensor, levels: Tensor, colors: Tensor, { opacity }: OverlayParameters): Tensor {
  const [height, width] = levels.shape as readonly number[] as [number, number];
  expectShape('the picture', picture, [height, width, 4]);
  expectShape('the colour map', colors, [256, 3]);
  const result = tensor([height, width, 3]);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const level = levels.data[pixel]!;
    for (let c = 0; c < 3; c++) {
      const below = picture.data[pixel * 4 + c]!;
      const color = Number.isNaN(level) ? below : colors.data[Math.round(level) * 3 + c]!;
      result.data[pixel * 3 + c] = (1 - opacity) * below + opacity * color;
    }
  }
  return result;
}
