/** Pictures in Node: files to pixels, and pixels to PNG. sharp (libvips) decodes and encodes. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import sharp from 'sharp';
import { ImageError } from '../errors.ts';
import { formatShape, parseNpy } from '../image/npy.ts';

/** 8-bit pixels in R, G, B or R, G, B, A order, row by row from the top left. */
export interface Picture {
  /** Three or four bytes a pixel. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/**
 * Decodes as Python's PIL and TensorFlow do when they feed a network, so that the pixels are those it was trained on:
 * a colour profile is not applied. Damaged files fail; files that merely bend their format's rules do not.
 */
const DECODING = { ignoreIcc: true, failOn: 'error' } as const;

/**
 * Reads a picture: .npy (uint8 [height, width, 3] in R, G, B order, taken as it is), or PNG, JPEG, WebP, GIF, TIFF, AVIF
 * and SVG, turned upright as their EXIF data says. Alpha is dropped, not blended; of an animation the first frame counts.
 *
 * @throws ImageError naming the file, if it is missing, empty, damaged or not a picture.
 */
export async function readPicture(file: string): Promise<Picture> {
  const bytes = await readPictureFile(file);
  if (isNpy(file)) return npyPicture(bytes, file);
  return decoding(file, async () => {
    const upright = sharp(bytes, DECODING).autoOrient().toColourspace('srgb').removeAlpha();
    const { data, info } = await upright.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { data: plainBytes(data), width: info.width, height: info.height };
  });
}

/**
 * Fails as readPicture would, as far as the file's header tells: quick, for checks before long work.
 *
 * @throws ImageError
 */
export async function checkPicture(file: string): Promise<void> {
  const bytes = await readPictureFile(file);
  if (isNpy(file)) npyPicture(bytes, file);
  else await decoding(file, () => sharp(bytes, DECODING).metadata());
}

/** Encodes R, G, B, A pixels as PNG. */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  const { data, width, height } = picture;
  const pixels = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return sharp(pixels, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
}

/** Pixels in R, G, B, A order made smaller, so that the longer side has at most `longest`. */
export async function shrinkTo(
  { data, width, height }: { data: Uint8ClampedArray<ArrayBuffer>; width: number; height: number },
  longest: number,
): Promise<{ data: Uint8ClampedArray<ArrayBuffer>; width: number; height: number }> {
  if (Math.max(width, height) <= longest) return { data, width, height };
  const small = sharp(data, { raw: { width, height, channels: 4 } }).resize(longest, longest, { fit: 'inside' });
  const { data: pixels, info } = await small.raw().toBuffer({ resolveWithObject: true });
  return { data: Uint8ClampedArray.from(pixels), width: info.width, height: info.height };
}

function isNpy(file: string): boolean {
  return extname(file).toLowerCase() === '.npy';
}

async function readPictureFile(file: string): Promise<Uint8Array> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const reasons: Record<string, string> = {
      ENOENT: 'no such file',
      EISDIR: 'is a folder; name the pictures in it',
      EACCES: 'may not be read',
    };
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new ImageError(`${file}: ${reasons[code ?? ''] ?? message}`, { cause });
  }
  if (bytes.length === 0) throw new ImageError(`${file}: the file is empty`);
  return plainBytes(bytes);
}

/** Node's Buffer is a Uint8Array whose slice() shares memory and whose JSON differs: not for callers. */
function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function npyPicture(bytes: Uint8Array, file: string): Picture {
  const { dtype, fortranOrder, shape, bytes: data } = parseNpy(bytes, file);
  const [height, width, channels] = shape;
  const isUint8 = /^[|<>=]?u1$/.test(dtype);
  if (!isUint8 || fortranOrder || shape.length !== 3 || channels !== 3 || !height || !width) {
    const found = `${dtype} ${formatShape(shape)} in ${fortranOrder ? 'Fortran' : 'C'} order`;
    throw new ImageError(
      `${file}: expected pixels as uint8 (|u1) [height, width, 3] in C order, R G B; found ${found}`,
    );
  }
  return { data, width, height };
}

/** Turns sharp's errors into ones that name the file. */
async function decoding<T>(file: string, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]!;
    const unknown = /unsupported image format/i.test(reason);
    const problem = unknown ? 'not a picture in a known format (PNG, JPEG, WebP, GIF, TIFF, AVIF, SVG, .npy)' : reason;
    throw new ImageError(`${file}: ${problem}`, { cause });
  }
}
