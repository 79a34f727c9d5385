import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { sideBySide } from '../../src/image/side-by-side.ts';

function plain(width: number, height: number, value: number) {
  return { data: new Uint8ClampedArray(width * height * 4).fill(value), width, height };
}

describe('sideBySide', () => {
  it('puts pictures in a row with a white gap', () => {
    const { data, width, height } = sideBySide([plain(2, 3, 10), plain(1, 3, 20)]);
    expect([width, height]).toEqual([11, 3]);
    const row = [10, 10, 255, 255, 255, 255, 255, 255, 255, 255, 20];
    expect(Array.from({ length: 33 }, (_, i) => data[4 * i])).toEqual([...row, ...row, ...row]);
  });

  it('gives a single picture back', () => {
    expect(sideBySide([plain(3, 2, 7)])).toEqual(plain(3, 2, 7));
  });

  it('refuses pictures of different heights', () => {
    expect(() => sideBySide([plain(1, 2, 0), plain(1, 3, 0)])).toThrow(ImageError);
  });
});
