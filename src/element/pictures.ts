/** Pictures in the worker: fetched, decoded, and shrunk where they are too large to be held several times. */
import { ImageError } from '../errors.ts';
import { decodeBlob, type Picture, readPicture } from '../image/picture.ts';
import type { EngineImage, NewImage } from './protocol.ts';

/** 64 MiB for each copy: every telephone's photo as it is. */
export const DEFAULT_MAX_PICTURE_PIXELS = 4096 ** 2;

export interface DecodedPicture {
  readonly picture: Picture;
  /** Before it was shrunk. */
  readonly original: { readonly width: number; readonly height: number };
}

/** @throws ImageError */
export async function decodePicture(image: NewImage, maxPixels: number, signal: AbortSignal): Promise<DecodedPicture> {
  const given = 'url' in image ? await fetchPicture(image.url, signal) : image;
  const drawable = await toDrawable(given);
  const { width, height } = drawable;
  const scale = Math.sqrt(maxPixels / (width * height));
  const explained = scale < 1 ? await resized(drawable, scale) : drawable;
  const picture = await readPicture(explained);
  // Decoded bitmaps are large, and the garbage collector does not know how large. The page's own stays.
  for (const bitmap of [drawable, explained]) if (bitmap !== given && bitmap instanceof ImageBitmap) bitmap.close();
  return { picture, original: { width, height } };
}

/** The picture to show, no side longer than `side`. */
export function previewOf(picture: Picture, side: number): Promise<ImageBitmap> {
  return resized(toImageData(picture), Math.min(1, side / Math.max(picture.width, picture.height)));
}

async function fetchPicture(url: string, signal: AbortSignal): Promise<Blob> {
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`the server answered ${`${response.status} ${response.statusText}`.trim()}`);
    return await response.blob();
  } catch (cause) {
    throw new ImageError(`the picture ${url} cannot be fetched: ${(cause as Error).message}`, { cause });
  }
}

async function toDrawable(image: EngineImage): Promise<ImageBitmap | ImageData> {
  if (image instanceof Blob) return decodeBlob(image);
  if (image instanceof ImageBitmap || image instanceof ImageData) return image;
  return toImageData(await readPicture(image));
}

function toImageData({ data, width, height }: Picture): ImageData {
  return new ImageData(new Uint8ClampedArray(data.buffer), width, height);
}

function resized(image: ImageBitmap | ImageData, scale: number): Promise<ImageBitmap> {
  return createImageBitmap(image, {
    resizeWidth: Math.max(1, Math.floor(image.width * scale)),
    resizeHeight: Math.max(1, Math.floor(image.height * scale)),
    resizeQuality: 'high',
  });
}
