/** What is known of a picture: where the objects of the explained class are, to the pixel. */

/** A part of a picture by its box and a mask of that box. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** [height, width] of the box; not 0 where a pixel belongs to it. */
  readonly mask: Uint8Array;
}

export interface GroundTruth {
  /** The picture's size in pixels. */
  readonly width: number;
  readonly height: number;
  /** The visible part of each object of the class; they may overlap. */
  readonly instances: readonly Region[];
  /** Pixels that nobody can tell, such as the outline of a hand-drawn mask. They take no part in any measure. */
  readonly ignored?: readonly Region[];
}

/** Every pixel's part in the measures. */
export const PIXEL = { background: 0, object: 1, ignored: 2 } as const;

/** The ground truth as the measures use it; the same for every map of the picture. */
export interface LabelledPixels {
  readonly width: number;
  readonly height: number;
  /** One of PIXEL for each pixel, [height, width]. */
  readonly kinds: Uint8Array;
  /** Pixels that are object, and that are object or background. */
  readonly objectPixels: number;
  readonly countedPixels: number;
  /** Those of which at least one pixel counts. */
  readonly instances: readonly Region[];
}

/** Ignored pixels are ignored wherever they lie, on an object too. */
export function labelPixels(truth: GroundTruth): LabelledPixels {
  const { width, height } = truth;
  const kinds = new Uint8Array(width * height);
  for (const region of truth.instances) paint(kinds, truth, region, PIXEL.object);
  for (const region of truth.ignored ?? []) paint(kinds, truth, region, PIXEL.ignored);
  let objectPixels = 0;
  let ignoredPixels = 0;
  for (const kind of kinds) {
    if (kind === PIXEL.object) objectPixels++;
    if (kind === PIXEL.ignored) ignoredPixels++;
  }
  const isSeen = (region: Region) => {
    let seen = false;
    forEachPixel(truth, region, (at) => {
      seen ||= kinds[at] === PIXEL.object;
    });
    return seen;
  };
  return {
    width,
    height,
    kinds,
    objectPixels,
    countedPixels: width * height - ignoredPixels,
    instances: truth.instances.filter(isSeen),
  };
}

function paint(kinds: Uint8Array, picture: { width: number; height: number }, region: Region, kind: number): void {
  forEachPixel(picture, region, (at) => {
    kinds[at] = kind;
  });
}

/** Visits the pixels of a region by their index in the picture; what lies outside of the picture is left out. */
export function forEachPixel(
  picture: { readonly width: number; readonly height: number },
  region: Region,
  visit: (index: number) => void,
): void {
  const { left, top, mask } = region;
  const right = Math.min(left + region.width, picture.width);
  const bottom = Math.min(top + region.height, picture.height);
  for (let row = Math.max(0, top); row < bottom; row++) {
    const maskRow = (row - top) * region.width - left;
    for (let column = Math.max(0, left); column < right; column++) {
      if (mask[maskRow + column] !== 0) visit(row * picture.width + column);
    }
  }
}
