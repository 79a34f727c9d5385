import { describe, expect, it } from 'vitest';
import { decode } from '../../src/weights/decode.ts';
import { FLOAT16_OVERFLOW, toFloat16 } from '../../src/weights/float16.ts';
import { random } from '../harness/random.ts';
import { roundToFloat16 } from '../reference/float16.ts';

const INFINITY = 0x7c00;
/** The value of each finite float16 from 0 on, by its bits, and of what would come next: 65536. */
const VALUES = Array.from({ length: INFINITY + 1 }, (_, bits) => {
  const exponent = bits >> 10;
  const fraction = bits & 1023;
  return exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
});

/** The float32 next to a positive one. */
function neighbour(value: number, step: 1 | -1): number {
  const float = Float32Array.of(value);
  new Uint32Array(float.buffer)[0]! += step;
  return float[0]!;
}

function roundedBits(values: number[]): number[] {
  return [...toFloat16(Float32Array.from(values))];
}

describe('float16', () => {
  it('that is stored so already stays as it is, whatever its sign', () => {
    const finite = VALUES.slice(0, -1);
    expect(roundedBits(finite)).toEqual(finite.map((_, bits) => bits));
    expect(roundedBits(finite.map((value) => -value))).toEqual(finite.map((_, bits) => bits | 0x8000));
  });

  it('is the nearest of two neighbours, and the even one of two as near', () => {
    const middles = VALUES.slice(0, -1).map((value, bits) => (value + VALUES[bits + 1]!) / 2);
    expect(roundedBits(middles)).toEqual(middles.map((_, bits) => bits + (bits % 2)));
    expect(roundedBits(middles.map((middle) => neighbour(middle, -1)))).toEqual(middles.map((_, bits) => bits));
    expect(roundedBits(middles.map((middle) => neighbour(middle, 1)))).toEqual(middles.map((_, bits) => bits + 1));
  });

  it('is zero of what lies below half of the smallest', () => {
    expect(roundedBits([2 ** -25, 2 ** -26, 2 ** -149, 1.4e-40, -(2 ** -25), -0])).toEqual([
      0, 0, 0, 0, 0x8000, 0x8000,
    ]);
  });

  it('is infinity from its bound on', () => {
    expect(roundedBits([neighbour(FLOAT16_OVERFLOW, -1)])).toEqual([0x7bff]);
    const above = [FLOAT16_OVERFLOW, 65536, 1e9, 3.4028234e38, Number.POSITIVE_INFINITY];
    expect(roundedBits(above)).toEqual(above.map(() => INFINITY));
    expect(roundedBits(above.map((value) => -value))).toEqual(above.map(() => INFINITY | 0x8000));
  });

  it('agrees with the definition over float32’s range', () => {
    const source = random(3);
    const exponents = source.uniforms(20_000, -30, 17);
    const values = Float32Array.from(source.normals(20_000), (z, i) => z * 2 ** exponents[i]!);
    const bits = toFloat16(values);
    const found = decode({ dtype: 'float16' }, new Uint8Array(bits.buffer));
    expect([...found]).toEqual(Array.from(values, roundToFloat16));
  });

  it('is taken from a part of a buffer', () => {
    expect([...toFloat16(Float32Array.of(9, 1, -2, 9).subarray(1, 3))]).toEqual([0x3c00, 0xc000]);
  });
});
