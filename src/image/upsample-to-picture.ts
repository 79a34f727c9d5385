/** A heat map at the size of the picture that it explains. */
import type { View } from './fit.ts';

/**
 * Spreads a map over the part of the picture that the network saw: bilinear with half-pixel centres, the edges held, as
 * the overlay shows it. Outside of the view, which only `fit: 'crop'` leaves, the map says nothing and is 0.
 *
 * @param map [height, width], row by row
 * @param view in pixels of the picture
 * @returns [picture.height, picture.width]
 */
export function upsampleToPicture(
  map: { readonly data: Float32Array; readonly height: number; readonly width: number },
  view: View,
  picture: { readonly width: number; readonly height: number },
): Float32Array {
  const columns = neighbours(picture.width, view.left, view.width, map.width);
  const rows = neighbours(picture.height, view.top, view.height, map.height);
  const result = new Float32Array(picture.width * picture.height);
  for (let y = 0; y < picture.height; y++) {
    if (rows.low[y]! < 0) continue;
    const top = rows.low[y]! * map.width;
    const bottom = rows.high[y]! * map.width;
    for (let x = 0; x < picture.width; x++) {
      const low = columns.low[x]!;
      if (low < 0) continue;
      const high = columns.high[x]!;
      const tx = columns.share[x]!;
      const above = between(map.data[top + low]!, map.data[top + high]!, tx);
      const below = between(map.data[bottom + low]!, map.data[bottom + high]!, tx);
      result[y * picture.width + x] = between(above, below, rows.share[y]!);
    }
  }
  return result;
}

/** In this form equal neighbours give exactly their own value, so that a plateau of the map stays one. */
function between(a: number, b: number, share: number): number {
  return a + share * (b - a);
}

/** For each pixel of an axis, the cells on both sides of it and the share of the second; low is -1 out of view. */
function neighbours(
  pixels: number,
  start: number,
  length: number,
  cells: number,
): { low: Int32Array; high: Int32Array; share: Float64Array } {
  const low = new Int32Array(pixels).fill(-1);
  const high = new Int32Array(pixels);
  const share = new Float64Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const position = (pixel + 0.5 - start) / length;
    if (position < 0 || position > 1) continue;
    const at = Math.min(Math.max(position * cells - 0.5, 0), cells - 1);
    low[pixel] = Math.floor(at);
    high[pixel] = Math.min(low[pixel]! + 1, cells - 1);
    share[pixel] = at - low[pixel]!;
  }
  return { low, high, share };
}
