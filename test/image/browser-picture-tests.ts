/** Pictures from everything that a page has, in a real browser. */
import { describe, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { type ImageInput, readPicture } from '../../src/image/picture.ts';
import { assertEqual, assertRejects } from '../harness/assertions.ts';

const WIDTH = 3;
const HEIGHT = 2;
/** Opaque, so that no browser premultiplies anything away. */
const PIXELS = Uint8ClampedArray.from({ length: WIDTH * HEIGHT * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));

function imageData(): ImageData {
  return new ImageData(PIXELS.slice(), WIDTH, HEIGHT);
}

function canvas(): HTMLCanvasElement {
  const element = document.createElement('canvas');
  element.width = WIDTH;
  element.height = HEIGHT;
  element.getContext('2d')?.putImageData(imageData(), 0, 0);
  return element;
}

function offscreenCanvas(): OffscreenCanvas {
  const element = new OffscreenCanvas(WIDTH, HEIGHT);
  element.getContext('2d')?.putImageData(imageData(), 0, 0);
  return element;
}

function png(): Promise<Blob> {
  return offscreenCanvas().convertToBlob({ type: 'image/png' });
}

async function imageElement(): Promise<HTMLImageElement> {
  const element = new Image();
  element.src = URL.createObjectURL(await png());
  return element; // not yet decoded: readPicture waits for it
}

const INPUTS: Record<string, () => ImageInput | Promise<ImageInput>> = {
  ImageData: imageData,
  'a canvas': canvas,
  'an OffscreenCanvas': offscreenCanvas,
  'an ImageBitmap': () => createImageBitmap(imageData()),
  'a PNG blob': png,
  'an image element': imageElement,
  'a VideoFrame': () => new VideoFrame(offscreenCanvas(), { timestamp: 0 }),
  'RGBA bytes': () => ({ data: PIXELS, width: WIDTH, height: HEIGHT }),
};

describe('a picture from', () => {
  for (const [what, make] of Object.entries(INPUTS)) {
    it(what, async () => {
      const picture = await readPicture(await make());
      assertEqual([picture.width, picture.height], [WIDTH, HEIGHT], 'size');
      assertEqual([...picture.data], [...PIXELS], 'pixels');
    });
  }

  it('text in a blob is refused', async () => {
    const text = new Blob(['no picture'], { type: 'text/plain' });
    await assertRejects(() => readPicture(text), ImageError, /not a picture/);
  });

  it('an image element whose file is broken is refused', async () => {
    const element = new Image();
    element.src = URL.createObjectURL(new Blob(['no picture'], { type: 'image/png' }));
    await assertRejects(() => readPicture(element), ImageError, /decode/);
  });
});
