/** Maps whose values can be compared, at one size. */
import { upsampleToPicture } from './upsample-to-picture.ts';

export interface Size {
  readonly height: number;
  readonly width: number;
}

/**
 * Divides each map by its largest value, and enlarges it bilinearly with half-pixel centres. A map without a value above zero
 * becomes one of zeros.
 *
 * @param heat raw maps [maps, height, width], ≥ 0
 * @returns [maps, size.height, size.width], 0 … 1
 */
export function normalizedMaps(
  heat: { readonly data: Float32Array; readonly shape: readonly [maps: number, height: number, width: number] },
  size: Size,
): Float32Array<ArrayBuffer> {
  const [maps, height, width] = heat.shape;
  const whole = { left: 0, top: 0, ...size };
  const result = new Float32Array(maps * size.height * size.width);
  for (let map = 0; map < maps; map++) {
    const values = heat.data.subarray(map * height * width, (map + 1) * height * width);
    const largest = values.reduce((most, value) => Math.max(most, value), 0);
    if (largest === 0) continue;
    const data = values.map((value) => value / largest);
    result.set(upsampleToPicture({ data, height, width }, whole, size), map * size.height * size.width);
  }
  return result;
}

/** The height and the width that none of the maps exceeds. */
export function largestSize(
  maps: readonly { readonly shape: readonly [maps: number, height: number, width: number] }[],
): Size {
  return {
    height: Math.max(...maps.map(({ shape: [, height] }) => height)),
    width: Math.max(...maps.map(({ shape: [, , width] }) => width)),
  };
}
