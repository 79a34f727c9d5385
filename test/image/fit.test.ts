import { describe, expect, it } from 'vitest';
import { fitPicture, viewOf } from '../../src/image/fit.ts';
import { FITS, type Fit } from '../../src/options.ts';
import { placement } from '../reference/preprocess.ts';

const square = (side: number) => ({ width: side, height: side });
const fitted = (kind: Fit, width: number, height: number, side = 224) =>
  fitPicture(kind, { width, height }, square(side));

describe('fitPicture', () => {
  it('squashes each axis to the input', () => {
    const { x, y } = fitted('squash', 640, 480);
    expect(x).toEqual({ size: 640, resized: 224, origin: 0, input: 224 });
    expect(y).toEqual({ size: 480, resized: 224, origin: 0, input: 224 });
  });

  it('crops as torchvision does: the shorter side to 256 of 224, then the centre', () => {
    const { x, y } = fitted('crop', 640, 480);
    // 640 · 256 / 480 = 341.3, of which 117 columns go, 58 of them on the left.
    expect(x).toEqual({ size: 640, resized: 341, origin: 58, input: 224 });
    expect(y).toEqual({ size: 480, resized: 256, origin: 16, input: 224 });
    const tall = fitted('crop', 480, 640);
    expect([tall.x, tall.y]).toEqual([y, x]);
  });

  it('pads the shorter side, the picture in the middle', () => {
    const { x, y } = fitted('pad', 640, 480);
    expect(x).toEqual({ size: 640, resized: 224, origin: 0, input: 224 });
    expect(y).toEqual({ size: 480, resized: 168, origin: -28, input: 224 });
    // 75 rows are missing: 37 above, 38 below.
    expect(fitted('pad', 300, 200).y).toEqual({ size: 200, resized: 149, origin: -37, input: 224 });
  });

  it('keeps a row of the longest picture', () => {
    expect(fitted('pad', 10_000, 1).y).toEqual({ size: 1, resized: 1, origin: -111, input: 224 });
    expect(fitted('pad', 1, 10_000).x.resized).toBe(1);
  });

  it('leaves a picture of the input’s size alone, unless it is to be cropped', () => {
    for (const kind of ['squash', 'pad'] as const) {
      const { x, y } = fitted(kind, 224, 224);
      expect([x, y]).toEqual([y, { size: 224, resized: 224, origin: 0, input: 224 }]);
    }
    expect(fitted('crop', 224, 224).x).toEqual({ size: 224, resized: 256, origin: 16, input: 224 });
  });

  it('places pictures of all sizes as the oracle does', () => {
    for (const side of [32, 64, 224]) {
      for (let width = 1; width < 700; width += 23) {
        for (const height of [1, 13, 64, 224, 256, 333, 512, 1023]) {
          for (const kind of FITS) {
            const { x, y } = fitted(kind, width, height, side);
            const { top, left, ...resized } = placement(kind, [height, width], side);
            const what = `${width} × ${height}, ${kind} to ${side}`;
            expect({ width: x.resized, height: y.resized }, what).toEqual(resized);
            expect([y.origin + top, x.origin + left], what).toEqual([0, 0]);
          }
        }
      }
    }
  });
});

describe('viewOf', () => {
  const view = (kind: Fit, width: number, height: number) => viewOf(fitted(kind, width, height));

  it('is the whole picture where it was squashed', () => {
    expect(view('squash', 640, 480)).toEqual({ left: 0, top: 0, width: 640, height: 480 });
  });

  it('is the part that the crop kept, in the picture’s own pixels', () => {
    const { left, top, width, height } = view('crop', 640, 480);
    expect(top).toBe((16 * 480) / 256);
    expect(height).toBe((224 * 480) / 256);
    expect(left).toBe((58 * 640) / 341);
    expect(width).toBe((224 * 640) / 341);
  });

  it('reaches beyond a padded picture', () => {
    expect(view('pad', 640, 480)).toEqual({ left: 0, top: -80, width: 640, height: 640 });
  });
});
