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
    const sheet = sideBySide([plain(1, 2, 10), plain(1, 2, 20), plain(1, 2, 30)], { columns: 2 });
    expect([sheet.width, sheet.height]).toEqual([10, 12]);
    const at = (x: number, y: number) => sheet.data[4 * (y * sheet.width + x)];
    expect([at(0, 0), at(9, 1), at(0, 10), at(0, 11)]).toEqual([10, 20, 30, 30]);
    expect([at(9, 10), at(0, 2), at(0, 9), at(1, 0)]).toEqual([255, 255, 255, 255]);
    expect(sheet.data.filter((value) => value < 255)).toHaveLength(4 * 6);
  });

  it('gives a single picture back', () => {
    expect(sideBySide([plain(3, 2, 7)])).toEqual(plain(3, 2, 7));
    expect(sideBySide([plain(3, 2, 7)], { columns: 4 })).toEqual(plain(3, 2, 7));
  });

  it('leaves out what is not there', () => {
    const sheet = sideBySide([undefined, plain(1, 1, 10), plain(1, 1, 20)], { columns: 2 });
    expect([sheet.width, sheet.height]).toEqual([10, 10]);
    expect([0, 9, 90, 99].map((pixel) => sheet.data[4 * pixel])).toEqual([255, 10, 20, 255]);
  });

  it('has captions above and beside, the pictures as without', () => {
    const pictures = [plain(60, 40, 10), plain(60, 40, 20), plain(60, 40, 30), plain(60, 40, 40)];
    const captions = { headings: [['one'], ['two', 'lines']], rowTitles: [['a'], ['b']] };
    const bare = sideBySide(pictures, { columns: 2 });
    const sheet = sideBySide(pictures, { columns: 2, ...captions });
    // 'lines' has five letters of 6 dots: twice fits into 60 pixels.
    const [left, top] = [8 + 12 + 8, 8 + 2 * 20];
    expect([sheet.width, sheet.height]).toEqual([left + bare.width + 8, top + bare.height + 8]);
    for (let y = 0; y < bare.height; y++) {
      const from = 4 * ((top + y) * sheet.width + left);
      const line = bare.data.subarray(4 * y * bare.width, 4 * (y + 1) * bare.width);
      expect(sheet.data.subarray(from, from + line.length)).toEqual(line);
    }
    const inkIn = (x0: number, y0: number, x1: number, y1: number) => {
      let ink = 0;
      for (let y = y0; y < y1; y++)
        for (let x = x0; x < x1; x++) if (sheet.data[4 * (y * sheet.width + x)] === 32) ink++;
      return ink;
    };
    expect(inkIn(left, 0, left + 60, top - 20)).toBe(0);
    expect(inkIn(left, top - 20, left + 60, top)).toBeGreaterThan(50);
    expect(inkIn(left + 68, 8, sheet.width, top)).toBeGreaterThan(100);
    expect(inkIn(0, 0, left, top)).toBe(0);
    expect(inkIn(0, top, left, top + 40)).toBeGreaterThan(20);
    expect(inkIn(0, top + 48, left, sheet.height)).toBeGreaterThan(20);
  });

  it('refuses pictures of different sizes', () => {
    expect(() => sideBySide([plain(1, 2, 0), plain(1, 3, 0)])).toThrow(ImageError);
    expect(() => sideBySide([plain(1, 2, 0), plain(2, 2, 0)])).toThrow('1 × 2 and 2 × 2');
  });
});
