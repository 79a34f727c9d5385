import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { addPngText, pngText } from '../../src/image/png-text.ts';
import { encodePng } from '../../src/node/image.ts';

const PIXELS = Uint8ClampedArray.from({ length: 4 * 6 }, (_, i) => (i % 4 === 3 ? 255 : i * 9));
const PNG = await encodePng({ data: PIXELS, width: 3, height: 2 });
const TEXT = '{"σ": 0.15, "label": "chat — 猫 🐈"}';

describe('text in a PNG', () => {
  it('is read again, beside texts with other keywords', () => {
    const png = addPngText(addPngText(PNG, 'gradcam', TEXT), 'gradcam2', 'another');
    expect(pngText(png, 'gradcam')).toBe(TEXT);
    expect(pngText(png, 'gradcam2')).toBe('another');
    expect([pngText(png, 'grad'), pngText(PNG, 'gradcam')]).toEqual([undefined, undefined]);
  });

  it('is read by libpng, which finds the pixels as they were', async () => {
    const png = sharp(addPngText(PNG, 'gradcam', TEXT), { failOn: 'warning' });
    expect((await png.metadata()).comments).toEqual([{ keyword: 'gradcam', text: TEXT }]);
    expect([...(await png.ensureAlpha().raw().toBuffer())]).toEqual([...PIXELS]);
  });

  it('leaves the other chunks alone', () => {
    const { length } = addPngText(PNG, 'gradcam', 'x');
    expect(length).toBe(PNG.length + 12 + 'gradcam'.length + 5 + 1);
    expect(pngText(addPngText(PNG, 'gradcam', ''), 'gradcam')).toBe('');
  });

  it('has the CRC that zlib computes', () => {
    const png = Buffer.from(addPngText(PNG, 'gradcam', TEXT));
    const at = png.indexOf('iTXt');
    const end = at + 4 + png.readUInt32BE(at - 4);
    expect(png.readUInt32BE(end)).toBe(crc32(png.subarray(at, end)));
  });

  it('is read from a file that is a view of a larger buffer', () => {
    const png = addPngText(PNG, 'gradcam', TEXT);
    const larger = new Uint8Array(png.length + 20).fill(7);
    larger.set(png, 9);
    expect(pngText(larger.subarray(9, 9 + png.length), 'gradcam')).toBe(TEXT);
  });

  it('that is damaged is not believed', () => {
    const png = addPngText(PNG, 'gradcam', TEXT);
    const at = Buffer.from(png).indexOf('0.15');
    expect(() => pngText(png.with(at, png[at]! ^ 1), 'gradcam')).toThrow(/damaged: its text 'gradcam'/);
    expect(() => pngText(png.subarray(0, at), 'gradcam')).toThrow(/damaged: a chunk that goes on behind the end/);
    expect(() => pngText(png.subarray(0, 11), 'gradcam')).toThrow(ImageError);
  });

  it('is not looked for in what is no PNG', () => {
    const other = readFileSync(new URL('../../package.json', import.meta.url));
    expect(() => pngText(other, 'gradcam')).toThrow(/not a PNG file/);
    expect(() => addPngText(other, 'gradcam', TEXT)).toThrow(ImageError);
    expect(() => addPngText(PNG.subarray(0, 8), 'gradcam', TEXT)).toThrow(/header/);
  });

  it.each(['', ' gradcam', 'grad\0cam', 'σ', 'x'.repeat(80)])('does not take %j for a keyword', (keyword) => {
    expect(() => addPngText(PNG, keyword, TEXT)).toThrow(RangeError);
  });
});
