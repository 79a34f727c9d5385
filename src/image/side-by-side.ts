/** Pictures of one size next to each other, in rows. */
import { ImageError } from '../errors.ts';
import type { OverlayImage } from './overlay.ts';

/** White pixels between two pictures. */
const GAP = 8;

/**
 * @param pictures RGBA, at least one
 * @param columns pictures in a row; default: all of them
 * @throws ImageError when their sizes differ
 */
export function sideBySide(pictures: readonly OverlayImage[], columns = pictures.length): OverlayImage {
  const [{ width, height }] = pictures;
  const sheetWidth = Math.min(columns, pictures.length) * (width + GAP) - GAP;
  const sheetHeight = Math.ceil(pictures.length / columns) * (height + GAP) - GAP;
  const data = new Uint8ClampedArray(sheetWidth * sheetHeight * 4).fill(255);
  pictures.forEach((picture, i) => {
    if (picture.width !== width || picture.height !== height) {
      throw new ImageError(
        `pictures of different sizes (${width} × ${height} and ${picture.width} × ${picture.height}) ` +
          'cannot stand side by side',
      );
    }
    const left = (i % columns) * (width + GAP);
    const top = Math.floor(i / columns) * (height + GAP);
    for (let row = 0; row < height; row++) {
      const line = picture.data.subarray(row * width * 4, (row + 1) * width * 4);
      data.set(line, ((top + row) * sheetWidth + left) * 4);
    }
  });
  return { data, width: sheetWidth, height: sheetHeight };
}
