import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { type ImageInput, readPicture } from '../../src/image/picture.ts';

const bytes = (count: number) => Uint8Array.from({ length: count }, (_, i) => i);
const opaque = (rgba: Uint8Array) => rgba.map((value, i) => (i % 4 === 3 ? 255 : value));

describe('readPicture, of pixels', () => {
  it('takes the colours of RGBA, and drops its alpha', async () => {
    const data = bytes(24);
    const picture = await readPicture({ data, width: 3, height: 2 });
    expect(picture).toEqual({ data: opaque(data), width: 3, height: 2 });
    // A copy: the caller may go on drawing.
    data[0] = 99;
    expect(picture.data[0]).toBe(0);
  });

  it('fills RGB up with an opaque alpha', async () => {
    const { data } = await readPicture({ data: bytes(6), width: 1, height: 2 });
    expect([...data]).toEqual([0, 1, 2, 255, 3, 4, 5, 255]);
  });

  it('takes clamped and Node’s bytes, and those in the middle of a buffer', async () => {
    const expected = bytes(8).slice(4);
    for (const data of [
      new Uint8ClampedArray(expected),
      Buffer.from(expected),
      new Uint8Array(bytes(8).buffer, 4, 4),
    ]) {
      expect(await readPicture({ data, width: 1, height: 1 })).toEqual({ data: opaque(expected), width: 1, height: 1 });
    }
  });

  it.each([
    [
      { data: bytes(5), width: 1, height: 2 },
      /^5 bytes of pixels for a picture of 1 × 2; expected 8 \(RGBA\) or 6 \(RGB\)/,
    ],
    [{ data: bytes(0), width: 0, height: 0 }, /^a picture of 0 × 0 pixels; both must be whole and above 0/],
    [{ data: bytes(8), width: 2, height: 1.5 }, /2 × 1\.5 pixels/],
    [{ data: bytes(4), width: 1 }, /1 × undefined pixels/],
    [{ data: bytes(4), width: -1, height: -1 }, /-1 × -1 pixels/],
    [{ data: bytes(4), width: '1', height: 1 }, /"1" × 1 pixels/],
    [{ data: new Float32Array(4), width: 1, height: 1 }, /must be a Uint8Array or Uint8ClampedArray of 8-bit pixels/],
    [{ data: [0, 0, 0, 0], width: 1, height: 1 }, /must be a Uint8Array/],
    [{}, /^\{\} is not a picture; give \{ data, width, height \}/],
    [{ width: 3, height: 3 }, /is not a picture/],
    ['photo.jpg', /^"photo\.jpg" is not a picture; .*readPicture\(\) of gradcam-webgpu\/node reads/],
    [null, /^null is not a picture/],
    [undefined, /^undefined is not a picture/],
    [new Blob(['text']), /is not a picture/],
  ])('refuses %o', async (image, message) => {
    const error = await readPicture(image as unknown as ImageInput).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect((error as ImageError).message).toMatch(message);
    expect((error as ImageError).code).toBe('image');
  });
});
