import { describe, expect, it } from 'vitest';
import { decode, PieceCutter } from '../../src/weights/decode.ts';
import type { Encoding } from '../../src/weights/layout.ts';

describe('decoding', () => {
  const allUint16 = Uint16Array.from({ length: 65536 }, (_, i) => i);

  it('gives every float16 its exact value', () => {
    const values = valuesOf({ dtype: 'float16' }, allUint16);
    expect(values.findIndex((value, bits) => !Object.is(value, floatValue(bits, 5, 10)))).toBe(-1);
    // A few by name, so that the oracle is not trusted alone.
    expect(values[0x0001]).toBe(2 ** -24);
    expect(values[0x03ff]).toBe(1023 * 2 ** -24);
    expect(values[0x3555]).toBe(0.333251953125);
    expect(values[0x7bff]).toBe(65504);
    expect(values[0xfc00]).toBe(-Infinity);
    expect(values[0x7e00]).toBeNaN();
    expect(Object.is(values[0x8000], -0)).toBe(true);
  });

  it('gives every bfloat16 its exact value', () => {
    const values = valuesOf({ dtype: 'bfloat16' }, allUint16);
    expect(values.findIndex((value, bits) => !Object.is(value, floatValue(bits, 8, 7)))).toBe(-1);
    expect(values[0x0001]).toBe(2 ** -133);
    expect(values[0x3f80]).toBe(1);
    expect(values[0xff80]).toBe(-Infinity);
  });

  it('keeps the bits of a float32, not-a-numbers included', () => {
    const bits = Uint32Array.of(0x7fc01234, 0xffa00001, 0x80000000, 1, 0x7f800000, 0x3dcccccd);
    expect([...new Uint32Array(valuesOf({ dtype: 'float32' }, bits).buffer)]).toEqual([...bits]);
  });

  it('dequantises in float32, rounded at each step', () => {
    // Of the Keras VGG-19's first kernel: float64 arithmetic gives other values.
    const [scale, min] = [0.004713413060880175, -0.6504510024014641];
    const bytes = Uint8Array.from({ length: 256 }, (_, q) => q);
    expect([...valuesOf({ dtype: 'uint8', scale, min }, bytes)]).toEqual(
      Array.from(bytes, (q) => Math.fround(Math.fround(q * Math.fround(scale)) + Math.fround(min))),
    );
    expect([...valuesOf({ dtype: 'uint16', scale, min }, allUint16)]).toEqual(
      Array.from(allUint16, (q) => Math.fround(Math.fround(q * Math.fround(scale)) + Math.fround(min))),
    );
  });

  it.each([1, 2, 3, 5, 7, 64])('takes bytes in chunks of %i at any alignment', (chunkBytes) => {
    const stored: [Encoding, Elements][] = [
      [{ dtype: 'float32' }, new Uint32Array(Float32Array.from({ length: 37 }, (_, i) => Math.sqrt(i) - 3).buffer)],
      [{ dtype: 'float16' }, Uint16Array.from({ length: 37 }, (_, i) => 0x3c00 + 97 * i)],
      [{ dtype: 'bfloat16' }, Uint16Array.from({ length: 37 }, (_, i) => 0x3f80 + 31 * i)],
      [{ dtype: 'uint16', scale: 0.01, min: -3 }, Uint16Array.from({ length: 37 }, (_, i) => 1771 * i)],
      [{ dtype: 'uint8', scale: 0.01, min: -3 }, Uint8Array.from({ length: 37 }, (_, i) => 7 * i)],
    ];
    for (const [encoding, elements] of stored) {
      const whole = valuesOf(encoding, elements);
      for (const pieceElements of [1, 4, 37, 100]) {
        expect(valuesInPieces(encoding, elements, chunkBytes, pieceElements)).toEqual(whole);
      }
    }
  });
});

type Elements = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

function valuesOf(encoding: Encoding, elements: Elements): Float32Array {
  return decode(encoding, new Uint8Array(elements.buffer));
}

function valuesInPieces(
  encoding: Encoding,
  elements: Elements,
  chunkBytes: number,
  pieceElements: number,
): Float32Array {
  const bytes = new Uint8Array(elements.buffer);
  const cutter = new PieceCutter(encoding.dtype, elements.length, pieceElements);
  const values = new Float32Array(elements.length).fill(Number.NaN);
  let count = 0;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    // A copy that starts at an odd address, as a chunk of the network may.
    const chunk = new Uint8Array(Math.min(chunkBytes, bytes.length - at) + 1).subarray(1);
    chunk.set(bytes.subarray(at, at + chunk.length));
    for (const { offset, stored } of cutter.push(chunk)) {
      expect(offset).toBe(count);
      const piece = decode(encoding, stored);
      expect(piece.length).toBe(Math.min(pieceElements, elements.length - count));
      values.set(piece, count);
      count += piece.length;
    }
  }
  expect(count).toBe(elements.length);
  return values;
}

/** IEEE 754's definition of a binary format's value, in float64. */
function floatValue(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}
