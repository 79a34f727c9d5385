/** float16 by IEEE 754's definition, in float64. */

/** The nearest float16, of two equally near the one with an even last bit; infinity beyond the range. */
export function roundToFloat16(value: number): number {
  const magnitude = Math.abs(value);
  // 11 significant bits from 2^-14 on; below, whole multiples of 2^-24.
  const step = Math.max(2 ** (Math.floor(Math.log2(magnitude)) - 10), 2 ** -24);
  const steps = magnitude / step;
  const below = Math.floor(steps);
  const up = steps - below > 0.5 || (steps - below === 0.5 && below % 2 === 1);
  const rounded = (below + (up ? 1 : 0)) * step;
  return Math.sign(value) * (rounded > 65504 ? Number.POSITIVE_INFINITY : rounded);
}
