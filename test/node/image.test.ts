import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { checkPicture, encodePng, readPicture } from '../../src/node/image.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradcam-image-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const raw = (pixels: number[], width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(Uint8Array.from(pixels), { raw: { width, height, channels } });

/** A .npy header as numpy.save writes it, up to its padding. */
function npy(shape: string, bytes: number, descr = '|u1', order = 'False'): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from('NUMPY'),
    Buffer.from([1, 0, header.length, 0]),
    Buffer.from(header),
    Buffer.from(Array.from({ length: bytes }, (_, i) => i)),
  ]);
}

describe('readPicture', () => {
  it('reads PNG pixels as they are', async () => {
    const path = file('rgb.png', await raw([10, 20, 30, 40, 50, 60], 2, 1, 3).png().toBuffer());
    expect(await readPicture(path)).toMatchObject({ width: 2, height: 1 });
    expect([...(await readPicture(path)).data]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it('drops alpha without blending', async () => {
    const path = file('rgba.png', await raw([10, 20, 30, 0, 40, 50, 60, 128], 2, 1, 4).png().toBuffer());
    expect([...(await readPicture(path)).data]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it('makes grey and palette pictures R G B', async () => {
    const grey = file('grey.png', await raw([7, 200], 2, 1, 1).toColourspace('b-w').png().toBuffer());
    expect([...(await readPicture(grey)).data]).toEqual([7, 7, 7, 200, 200, 200]);
    const colours = raw([255, 0, 0, 0, 0, 255], 2, 1, 3);
    const palette = file('palette.png', await colours.png({ palette: true }).toBuffer());
    expect([...(await readPicture(palette)).data]).toEqual([255, 0, 0, 0, 0, 255]);
  });

  it('brings 16 bits down to 8', async () => {
    const deep = await raw([10, 20, 30], 1, 1, 3).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect([...(await readPicture(file('deep.png', deep))).data]).toEqual([10, 20, 30]);
  });

  it('turns a picture upright as its EXIF data says', async () => {
    const jpeg = raw(
      Array.from({ length: 3 * 16 * 8 }, (_, i) => (i % 48 < 24 ? 255 : 0)),
      16,
      8,
      3,
    ).jpeg();
    const path = file('turned.jpg', await jpeg.withMetadata({ orientation: 6 }).toBuffer());
    const { data, width, height } = await readPicture(path);
    expect([width, height]).toEqual([8, 16]);
    // Orientation 6: the stored left side is the top.
    expect(data[0]).toBeGreaterThan(200);
    expect(data[data.length - 1]).toBeLessThan(50);
  });

  it('ignores a colour profile, as the decoders do that feed networks', async () => {
    const wide = await raw([200, 100, 50], 1, 1, 3).png().withIccProfile('p3', { attach: true }).toBuffer();
    expect((await sharp(wide).metadata()).hasProfile).toBe(true);
    const stored = await sharp(wide, { ignoreIcc: true }).raw().toBuffer();
    expect([...(await readPicture(file('p3.png', wide))).data]).toEqual([...stored]);
  });

  it.each(['webp', 'tiff', 'gif'] as const)('reads %s', async (format) => {
    const bytes = await raw(Array(3 * 4 * 4).fill(255), 4, 4, 3)
      .toFormat(format)
      .toBuffer();
    const picture = await readPicture(file(`white.${format}`, bytes));
    expect([picture.width, picture.height, Math.min(...picture.data)]).toEqual([4, 4, 255]);
  });

  it('takes .npy pixels as they are', async () => {
    const path = file('a.npy', npy('(2, 1, 3)', 6));
    expect(await readPicture(path)).toEqual({ data: Uint8Array.of(0, 1, 2, 3, 4, 5), width: 1, height: 2 });
  });
});

describe('what is not a picture', () => {
  const jpeg = raw(
    Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * 37) % 256),
    64,
    64,
    3,
  ).jpeg();
  const cases: [string, () => Promise<string> | string, RegExp][] = [
    ['a missing file', () => join(folder, 'none.png'), /none\.png: no such file/],
    ['a folder', () => folder, /is a folder/],
    ['an empty file', () => file('empty.png', ''), /empty\.png: the file is empty/],
    ['text', () => file('text.png', 'hello, this is no picture'), /text\.png: not a picture/],
    ['.npy that is text', () => file('text.npy', 'hello, this is no array'), /text\.npy: not a NumPy/],
    ['.npy of floats', () => file('f4.npy', npy('(1, 1, 3)', 12, '<f4')), /found <f4 \(1, 1, 3\) in C order/],
    ['.npy without colours', () => file('grey.npy', npy('(2, 3)', 6)), /found \|u1 \(2, 3\)/],
    ['.npy with alpha', () => file('rgba.npy', npy('(1, 1, 4)', 4)), /found \|u1 \(1, 1, 4\)/],
    ["Fortran's order", () => file('order.npy', npy('(1, 1, 3)', 3, '|u1', 'True')), /in Fortran order/],
    ['.npy without pixels', () => file('none.npy', npy('(0, 2, 3)', 0)), /found \|u1 \(0, 2, 3\)/],
  ];
  it.each(cases)('refuses %s, at a glance too', async (_, path, message) => {
    for (const read of [readPicture, checkPicture]) {
      const result = read(await path());
      await expect(result).rejects.toThrow(message);
      await expect(result).rejects.toBeInstanceOf(ImageError);
    }
  });

  it('refuses a truncated JPEG', async () => {
    const bytes = await jpeg.toBuffer();
    await expect(readPicture(file('cut.jpg', bytes.subarray(0, bytes.length / 2)))).rejects.toThrow(/cut\.jpg: /);
  });
});

describe('encodePng', () => {
  it('keeps every pixel', async () => {
    const data = Uint8ClampedArray.from({ length: 4 * 3 * 2 }, (_, i) => i * 10);
    const decoded = await sharp(await encodePng({ data, width: 3, height: 2 }))
      .raw()
      .toBuffer();
    expect([...decoded]).toEqual([...data]);
  });
});
