/** How a picture of any size meets the model's input, and which part of it the model then sees. */

import type { AxisFit, PreprocessShape } from '../ops/preprocess.ts';
import type { Fit } from '../options.ts';

/** torchvision's evaluation transform: the shorter side to 256 for an input of 224. */
const CROP_SCALE = 256 / 224;

/** A rectangle of the picture, in its pixels; with fit 'pad' it reaches beyond the picture. */
export interface View {
  /** Its left edge; below 0 outside the picture. */
  readonly left: number;
  /** Its upper edge. */
  readonly top: number;
  /** From its left edge to its right one. */
  readonly width: number;
  /** From its upper edge to its lower one. */
  readonly height: number;
}

/**
 * 'squash': the whole picture, each axis resized on its own. 'crop': the shorter side to 256/224 of the input, then the
 * centre. 'pad': the longer side to the input, the picture centred.
 */
export function fitPicture(
  fit: Fit,
  picture: { width: number; height: number },
  input: { width: number; height: number },
): PreprocessShape {
  const scale =
    fit === 'crop'
      ? Math.max((input.width * CROP_SCALE) / picture.width, (input.height * CROP_SCALE) / picture.height)
      : Math.min(input.width / picture.width, input.height / picture.height);
  const axis = (size: number, cells: number): AxisFit => {
    const resized = fit === 'squash' ? cells : Math.max(1, Math.round(size * scale));
    // Floor towards the centre on both sides: a crop of 1.5 begins at 1, a padding of 1.5 is 1 on this side.
    const origin = Math.trunc((resized - cells) / 2);
    return { size, resized, origin, input: cells };
  };
  return { x: axis(picture.width, input.width), y: axis(picture.height, input.height) };
}

/** The part of the picture under the model's input. */
export function viewOf({ x, y }: PreprocessShape): View {
  const along = ({ size, resized, origin, input }: AxisFit) => ({
    start: (origin * size) / resized,
    length: (input * size) / resized,
  });
  const horizontal = along(x);
  const vertical = along(y);
  return { left: horizontal.start, top: vertical.start, width: horizontal.length, height: vertical.length };
}
