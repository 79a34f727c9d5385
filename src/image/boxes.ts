/** The regions of a heat map that stand out, as boxes in the picture. */
import { OptionError } from '../errors.ts';
import { checkOptionNames } from '../option-names.ts';
import type { View } from './fit.ts';
import type { OverlayImage } from './overlay.ts';
import { upsampleToPicture } from './upsample-to-picture.ts';

/** Grad-CAM's own: 'binarize with threshold of 15 % of the max intensity' (Selvaraju et al. 2017, section 4.1). */
export const DEFAULT_THRESHOLD = 0.15;

/** Which regions count, and of which map. */
export interface BoxOptions {
  /** Which of the maps, from 0. Default 0. */
  map?: number;
  /** Share of the map's largest value on the picture that a region's pixels reach, above 0 and up to 1. Default 0.15. */
  threshold?: number;
  /** Pixels of a region touch by their sides (4), or by their corners too (8, default). */
  connectivity?: 4 | 8;
  /** Pixels that a region has at least. Default 1. */
  minArea?: number;
}

/** Of a picture, in pixels. */
export interface PictureSize {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/** Where maps lie: the picture's size in pixels, and the rectangle of it that they cover. */
export interface MapPlace {
  /** Its size. */
  readonly picture: PictureSize;
  /** In picture pixels; with fit 'pad' it reaches beyond the picture. Default: the whole picture. */
  readonly view?: View;
}

/** A connected region of the picture where the map is high. */
export interface Box {
  /** The smallest box around it, in whole pixels of the picture: it ends in front of x + width and y + height. */
  readonly box: readonly [x: number, y: number, width: number, height: number];
  /** Pixels of the region itself. */
  readonly area: number;
  /** Share of the map's sum over the picture that lies in the region, 0 … 1. */
  readonly score: number;
  /** Mean and largest value of the map in the region, as shares of its largest value on the picture. */
  readonly mean: number;
  /** The largest value there, as such a share. */
  readonly max: number;
}

/**
 * Boxes around the connected regions where a map, enlarged bilinearly to the picture, reaches a share of its maximum: those
 * with the most of the map's sum first, equal ones from the top and then from the left. A map without a positive value
 * has none. The paper's single box is that of the largest `area`.
 *
 * @param heat raw maps [maps, height, width], ≥ 0
 * @throws OptionError
 */
export function boxesOf(
  heat: { readonly data: Float32Array; readonly shape: readonly [maps: number, height: number, width: number] },
  { picture, view = { left: 0, top: 0, width: picture.width, height: picture.height } }: MapPlace,
  options: BoxOptions = {},
): Box[] {
  const { map, threshold, connectivity, minArea } = resolveBoxOptions(options, heat.shape[0]);
  const [, height, width] = heat.shape;
  const data = heat.data.subarray(map * height * width, (map + 1) * height * width);
  const values = upsampleToPicture({ data, height, width }, view, picture);
  const { largest, sum } = totals(values);
  if (largest === 0) return [];
  return findRegions(values, picture, threshold * largest, connectivity)
    .filter(({ area }) => area >= minArea)
    .map((region) => ({
      box: [region.left, region.top, region.right - region.left + 1, region.bottom - region.top + 1] as const,
      area: region.area,
      score: region.sum / sum,
      mean: region.sum / region.area / largest,
      max: region.largest / largest,
    }))
    .sort((a, b) => b.score - a.score);
}

function resolveBoxOptions(options: BoxOptions, maps: number): Required<BoxOptions> {
  checkOptionNames('boxes()', options, { map: true, threshold: true, connectivity: true, minArea: true });
  const { map = 0, threshold = DEFAULT_THRESHOLD, connectivity = 8, minArea = 1 } = options;
  if (!Number.isInteger(map) || map < 0 || map >= maps) {
    throw new OptionError('map', map, `a whole number from 0 to ${maps - 1}`);
  }
  if (!(threshold > 0 && threshold <= 1)) throw new OptionError('threshold', threshold, 'a number above 0 and up to 1');
  if (connectivity !== 4 && connectivity !== 8) throw new OptionError('connectivity', connectivity, '4 or 8');
  if (!(minArea >= 0)) throw new OptionError('minArea', minArea, 'a number of pixels of at least 0');
  return { map, threshold, connectivity, minArea };
}

function totals(values: Float32Array): { largest: number; sum: number } {
  let [largest, sum] = [0, 0];
  for (const value of values) {
    if (value > largest) largest = value;
    sum += value;
  }
  return { largest, sum };
}

interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
  area: number;
  sum: number;
  largest: number;
}

/** Flood fill from each pixel that no region has yet, so that regions come in the order of their first pixels. */
function findRegions(
  values: Float32Array,
  { width, height }: { width: number; height: number },
  level: number,
  connectivity: 4 | 8,
): Region[] {
  const isTaken = new Uint8Array(values.length);
  const open: number[] = [];
  const take = (at: number) => {
    if (isTaken[at] || values[at]! < level) return;
    isTaken[at] = 1;
    open.push(at);
  };
  const regions: Region[] = [];
  for (let first = 0; first < values.length; first++) {
    take(first);
    if (open.length === 0) continue;
    const region = { left: width, top: height, right: 0, bottom: 0, area: 0, sum: 0, largest: 0 };
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const x = at % width;
      const y = (at - x) / width;
      const value = values[at]!;
      region.left = Math.min(region.left, x);
      region.right = Math.max(region.right, x);
      region.top = Math.min(region.top, y);
      region.bottom = Math.max(region.bottom, y);
      region.area++;
      region.sum += value;
      region.largest = Math.max(region.largest, value);
      for (let dy = y > 0 ? -1 : 0; dy <= (y < height - 1 ? 1 : 0); dy++) {
        for (let dx = x > 0 ? -1 : 0; dx <= (x < width - 1 ? 1 : 0); dx++) {
          if (connectivity === 8 || dx === 0 || dy === 0) take(at + dy * width + dx);
        }
      }
    }
    regions.push(region);
  }
  return regions;
}

/** White lines with black edges are seen on every colour of a heat map. */
const LINE = [255, 255, 255, 255];
const EDGE = [0, 0, 0, 255];
/** Sides of the picture that make a line one pixel thicker. */
const PIXELS_PER_LINE = 200;

/** A copy of the picture (RGBA) with the boxes' outlines drawn in it, the first box on top. */
export function drawBoxes(image: OverlayImage, boxes: readonly Pick<Box, 'box'>[]): OverlayImage {
  const drawn = { ...image, data: image.data.slice() };
  const thickness = Math.max(1, Math.round(Math.min(image.width, image.height) / PIXELS_PER_LINE));
  for (const { box } of boxes.toReversed()) {
    for (let inset = -1; inset <= thickness; inset++) {
      drawOutline(drawn, box, inset, inset >= 0 && inset < thickness ? LINE : EDGE);
    }
  }
  return drawn;
}

/** The outline, one pixel thick, of a box made smaller by `inset` on each side; what lies beyond the picture is left out. */
function drawOutline(image: OverlayImage, [x, y, width, height]: Box['box'], inset: number, colour: number[]): void {
  const [left, right] = [x + inset, x + width - 1 - inset];
  const [top, bottom] = [y + inset, y + height - 1 - inset];
  if (left > right || top > bottom) return;
  const paint = (column: number, row: number) => {
    const isInside = column >= 0 && column < image.width && row >= 0 && row < image.height;
    if (isInside) image.data.set(colour, 4 * (row * image.width + column));
  };
  for (let column = left; column <= right; column++) for (const row of [top, bottom]) paint(column, row);
  for (let row = top; row <= bottom; row++) for (const column of [left, right]) paint(column, row);
}
