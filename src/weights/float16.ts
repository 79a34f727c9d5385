/** float16 (IEEE 754's binary16) to and from float32, by their bits: JavaScript has no float16 everywhere yet. */

/** What rounds to infinity in float16: half a step above its greatest number, 65504. */
export const FLOAT16_OVERFLOW = 65520;

const INFINITY = 0x7c00;

let halves: Uint32Array | undefined;

/** The float32 bits of each of the 65,536 float16 values: 256 KiB, made when a float16 tensor is met. */
export function float16Table(): Uint32Array {
  halves ??= makeFloat16Table();
  return halves;
}

function makeFloat16Table(): Uint32Array {
  const table = new Uint32Array(1 << 16);
  const value = new Float32Array(1);
  const valueBits = new Uint32Array(value.buffer);
  for (let half = 0; half < table.length; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      value[0] = fraction * 2 ** -24; // zero and the subnormals, all of them normal in float32
      table[half] = sign | valueBits[0]!;
    } else {
      // Exponent bias 15 becomes 127; infinity and not-a-number keep an exponent of all ones.
      const widened = exponent === 31 ? 255 : exponent + 112;
      table[half] = sign | (widened << 23) | (fraction << 13);
    }
  }
  return table;
}

/**
 * The bits of the nearest float16 of each value, of two equally near the even one; infinity from ±FLOAT16_OVERFLOW on.
 *
 * @param values no not-a-numbers
 */
export function toFloat16(values: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const rounded = new Uint16Array(values.length);
  const sum = new Float32Array(1);
  const sumBits = new Uint32Array(sum.buffer);
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    let half: number;
    if (magnitude >= 0x38800000) {
      // From 2^-14 on: exponent bias 127 becomes 15, and 13 bits go. Of the half of their range that is added to round,
      // 1 is left out where the last bit that stays is 0: then what lies in the middle is rounded down.
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
      if (half > INFINITY) half = INFINITY;
    } else {
      // Below, float16's steps are of 2^-24, as float32's are from 1/2 to 1: its own rounding does it.
      sum[0] = Math.abs(values[i]!) + 0.5;
      half = sumBits[0]! - 0x3f000000;
    }
    rounded[i] = half | ((bits[i]! >>> 16) & 0x8000);
  }
  return rounded;
}
