/** Pictures from whatever a page or a program has, as 8-bit pixels. */
import { describeValue, ImageError } from '../errors.ts';

/** Row-major 8-bit pixels: RGBA, or RGB where `data` has three bytes a pixel. Alpha is ignored. */
export interface Pixels {
  /** Three or four bytes a pixel, from the top left. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** What explain() takes as a picture. */
export type ImageInput =
  | Pixels
  | ImageData
  | ImageBitmap
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLVideoElement
  | VideoFrame
  | Blob;

/** RGBA pixels, one 32-bit word each. */
export interface Picture {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/**
 * Reads the pixels of a picture.
 *
 * @throws ImageError when it has none, cannot be decoded, or is not a picture.
 */
export async function readPicture(image: ImageInput): Promise<Picture> {
  if (typeof image !== 'object' || image === null) throw notAPicture(image);
  if ('data' in image && 'width' in image) return fromPixels(image);
  const source = await drawable(image);
  const [width, height] = sizeOf(source);
  // Outside a browser nothing can be drawn, and what has no size is no picture anywhere.
  if (typeof OffscreenCanvas === 'undefined' || typeof width !== 'number') throw notAPicture(image);
  if (!(width > 0 && height > 0)) {
    throw new ImageError(`the picture has no pixels (${width} × ${height}); has it finished loading?`);
  }
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new ImageError('this browser gave no 2D canvas to read the picture with');
  context.drawImage(source, 0, 0);
  try {
    return fromPixels(context.getImageData(0, 0, width, height));
  } catch (cause) {
    // A canvas tainted by a picture from another origin cannot be read.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError(`the picture's pixels cannot be read (${reason}); serve it with CORS and crossorigin`, {
      cause,
    });
  }
}

function fromPixels({ data, width, height }: Pixels | ImageData): Picture {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ImageError(
      `a picture of ${describeValue(width)} × ${describeValue(height)} pixels; both must be whole and above 0`,
    );
  }
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new ImageError('picture data must be a Uint8Array or Uint8ClampedArray of 8-bit pixels');
  }
  const cells = width * height;
  if (data.length === 4 * cells) return { data: opaque(data), width, height };
  if (data.length !== 3 * cells) {
    throw new ImageError(
      `${data.length} bytes of pixels for a picture of ${width} × ${height}; expected ${4 * cells} (RGBA) or ${3 * cells} (RGB)`,
    );
  }
  const rgba = new Uint8Array(4 * cells).fill(255);
  for (let i = 0; i < cells; i++) {
    rgba[4 * i] = data[3 * i];
    rgba[4 * i + 1] = data[3 * i + 1];
    rgba[4 * i + 2] = data[3 * i + 2];
  }
  return { data: rgba, width, height };
}

/** A copy. What ignores alpha must neither show nor be told apart by it. */
function opaque(data: Uint8Array | Uint8ClampedArray): Uint8Array<ArrayBuffer> {
  const rgba = new Uint8Array(data);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  return rgba;
}

async function drawable(
  image: Exclude<ImageInput, Pixels | ImageData>,
): Promise<Exclude<CanvasImageSource, SVGImageElement>> {
  if (typeof Blob !== 'undefined' && image instanceof Blob) return decodeBlob(image);
  if (typeof HTMLImageElement !== 'undefined' && image instanceof HTMLImageElement && !image.naturalWidth) {
    try {
      await image.decode();
    } catch (cause) {
      throw new ImageError(
        `the image element's picture cannot be decoded (${image.currentSrc || 'it has no source'})`,
        {
          cause,
        },
      );
    }
  }
  return image as Exclude<CanvasImageSource, SVGImageElement>;
}

/** @throws ImageError for a file that holds no picture that the browser knows */
export async function decodeBlob(file: Blob): Promise<ImageBitmap> {
  if (typeof createImageBitmap === 'undefined') throw notAPicture(file);
  try {
    return await createImageBitmap(file);
  } catch (cause) {
    const type = file.type || 'unknown type';
    throw new ImageError(`this is not a picture that can be decoded (${file.size} bytes, ${type})`, { cause });
  }
}

function sizeOf(source: Exclude<CanvasImageSource, SVGImageElement>): [width: number, height: number] {
  if ('naturalWidth' in source) return [source.naturalWidth, source.naturalHeight];
  if ('videoWidth' in source) return [source.videoWidth, source.videoHeight];
  if ('displayWidth' in source) return [source.displayWidth, source.displayHeight];
  return [source.width, source.height];
}

function notAPicture(image: unknown): ImageError {
  return new ImageError(
    `${describeValue(image)} is not a picture; give { data, width, height } with 8-bit pixels, which in Node readPicture() ` +
      'of gradcam-webgpu/node reads from a file, or in a browser an image element, ImageBitmap, ImageData, canvas, ' +
      'video frame or Blob',
  );
}
