import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { sideBySide } from '../../src/image/side-by-side.ts';

function plain(width: number, height: number, value: number) {
  return { data: new Uint8ClampedArray(width * height * 4).fill(value), width, height };
}

describe('sideBySide', () => {
  it('puts pictures in a row with a white gap', () => {
    const { data, width, height } = sideBySide([plain(2, 3, 10), plain(2, 3, 20)]);
    expect([width, height]).toEqual([12, 3]);
    const row = [10, 10, 255, 255, 255, 255, 255, 255, 255, 255, 20, 20];
    expect(Array.from({ length: 36 }, (_, i) => data[4 * i])).toEqual([...row, ...row, ...row]);
  });

  it('begins a new row after so many columns, and leaves the rest of the last one white', () => {
    const sheet = sideBySide([plain(1, 2, 10), plain(1, 2, 20), plain(1, 2, 30)], 2);
    expect([sheet.width, sheet.height]).toEqual([10, 12]);
    const at = (x: number, y: number) => sheet.data[4 * (y * sheet.width + x)];
    expect([at(0, 0), at(9, 1), at(0, 10), at(0, 11)]).toEqual([10, 20, 30, 30]);
    expect([at(9, 10), at(0, 2), at(0, 9), at(1, 0)]).toEqual([255, 255, 255, 255]);
    expect(sheet.data.filter((value) => value < 255)).toHaveLength(4 * 6);
  });

  it('gives a single picture back', () => {
    expect(sideBySide([plain(3, 2, 7)])).toEqual(plain(3, 2, 7));
    expect(sideBySide([plain(3, 2, 7)], 4)).toEqual(plain(3, 2, 7));
  });

  it('refuses pictures of different sizes', () => {
    expect(() => sideBySide([plain(1, 2, 0), plain(1, 3, 0)])).toThrow(ImageError);
    expect(() => sideBySide([plain(1, 2, 0), plain(2, 2, 0)])).toThrow('1 × 2 and 2 × 2');
  });
});
