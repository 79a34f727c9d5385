/** The heat map over the whole picture, at the picture's own size. */
import { OptionError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Workspace } from '../gpu/workspace.ts';
import { onDemand } from '../on-demand.ts';
import { overlay } from '../ops/overlay.ts';
import { checkOptionNames } from '../option-names.ts';
import { pictureBands } from './bands.ts';
import { type ColorMapName, colorWords, DEFAULT_COLOR_MAP, isDiverging } from './color-map.ts';
import type { View } from './fit.ts';
import type { Picture } from './picture.ts';
import { TURBO } from './turbo-table.ts';

/** How a map is drawn over the picture. */
export interface OverlayOptions {
  /** Which of the maps, from 0. Default 0. */
  map?: number;
  /** Share of the heat map's colour, 0 … 1. Default 0.5. */
  opacity?: number;
  /** Default 'turbo'. One of DIVERGING_COLOR_MAPS shows the signed map, what speaks against the class included. */
  colorMap?: ColorMapName;
  /** Other maps of the same picture to draw, such as those of differenceMap(). Default: the result's own. */
  heat?: Maps;
}

/** Row-major [maps, height, width]. */
interface Maps {
  readonly data: Float32Array;
  readonly shape: readonly [maps: number, height: number, width: number];
}

export const DEFAULT_OPACITY = 0.5;

/** RGBA pixels as canvases take them: `new ImageData(data, width, height)`. */
export interface OverlayImage {
  /** Four bytes a pixel, row by row, opaque. */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/**
 * Draws map number `map` over the picture. Its largest value has the last colour and zero the first; of a diverging colour map,
 * zero has the middle one, and the largest value above or below it the last or the first.
 *
 * @param own the result's maps, behind and before their ReLU
 */
export async function drawOverlay(
  gpu: Gpu,
  picture: Picture,
  own: { readonly rectified: Maps; signed(): Maps },
  view: View,
  options: OverlayOptions = {},
): Promise<OverlayImage> {
  checkOptionNames('overlay()', options, { map: true, opacity: true, colorMap: true, heat: true });
  const { map = 0, opacity = DEFAULT_OPACITY, colorMap = DEFAULT_COLOR_MAP } = options;
  const diverges = isDiverging(colorMap);
  const heat = options.heat ?? (diverges ? own.signed() : own.rectified);
  const [maps, mapHeight, mapWidth] = heat.shape;
  if (heat.data.length !== maps * mapHeight * mapWidth) {
    const allowed = `${maps} × ${mapHeight} × ${mapWidth} values for the shape [${heat.shape.join(', ')}]`;
    throw new OptionError('heat', heat.data.length, allowed);
  }
  if (!Number.isInteger(map) || map < 0 || map >= maps) {
    throw new OptionError('map', map, `a whole number from 0 to ${maps - 1}`);
  }
  if (!(opacity >= 0 && opacity <= 1)) throw new OptionError('opacity', opacity, 'a number from 0 to 1');
  const cells = mapHeight * mapWidth;
  const values = heat.data.subarray(map * cells, (map + 1) * cells);
  const largest = values.reduce((a, b) => Math.max(a, diverges ? Math.abs(b) : b), 0) || 1;

  const words = await wordsOf(colorMap);
  const result = new Uint8ClampedArray(picture.width * picture.height * 4);
  const rowBytes = picture.width * 4;
  const bands = pictureBands(picture, gpu.limits);
  const bandBytes = bands[0].rows * rowBytes;
  const workspace = new Workspace(gpu, 'display');
  try {
    const [heatMap, colors, band, drawn] = await gpu.guard(async () => [
      workspace.filled('heat map', heat.data),
      workspace.filled('colour map', words),
      workspace.bytes('picture band', bandBytes),
      workspace.bytes('overlay band', bandBytes),
    ]);
    for (const { firstRow, rows } of bands) {
      gpu.write(band.buffer, picture.data.subarray(firstRow * rowBytes, (firstRow + rows) * rowBytes));
      const shape = { width: picture.width, rows, firstRow, mapHeight, mapWidth, mapIndex: map, view, opacity };
      const range = { low: diverges ? -largest : 0, high: largest };
      await gpu.run([overlay({ ...shape, ...range }, { picture: band, heat: heatMap, colors, result: drawn })]);
      const [bytes] = await workspace.read([{ ...drawn, size: rows * rowBytes }]);
      result.set(new Uint8ClampedArray(bytes), firstRow * rowBytes);
    }
  } finally {
    workspace.release();
  }
  return { data: result, width: picture.width, height: picture.height };
}

/** @throws OptionError, LoadError */
async function wordsOf(name: ColorMapName): Promise<Uint32Array<ArrayBuffer>> {
  if (name === DEFAULT_COLOR_MAP) return colorWords(TURBO);
  const { colorTable } = await onDemand('the other colour maps', () => import('./color-table.ts'));
  return colorTable(name);
}
