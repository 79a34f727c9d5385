/** Pictures of one height next to each other. */
import { ImageError } from '../errors.ts';
import type { OverlayImage } from './overlay.ts';

/** White columns between two pictures. */
const GAP = 8;

/**
 * @param pictures RGBA, at least one
 * @throws ImageError when their heights differ
 */
export function sideBySide(pictures: readonly OverlayImage[]): OverlayImage {
  const { height } = pictures[0];
  const width = pictures.reduce((sum, picture) => sum + picture.width + GAP, -GAP);
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  let left = 0;
  for (const picture of pictures) {
    if (picture.height !== height) {
      throw new ImageError(`pictures of different heights (${height} and ${picture.height}) cannot stand side by side`);
    }
    for (let row = 0; row < height; row++) {
      const from = row * picture.width * 4;
      data.set(picture.data.subarray(from, from + picture.width * 4), (row * width + left) * 4);
    }
    left += picture.width + GAP;
  }
  return { data, width, height };
}
