import { describe, expect, it } from 'vitest';
import { fitPicture, viewOf } from '../../src/image/fit.ts';
import { upsampleToPicture } from '../../src/image/upsample-to-picture.ts';
import { tensor } from '../reference/tensor.ts';
import { upsample } from '../reference/upsample.ts';

const map = { data: Float32Array.from({ length: 12 }, (_, i) => ((i * 7) % 12) / 4), height: 3, width: 4 };
const input = { width: 64, height: 64 };

describe('a map over the picture', () => {
  it.each([
    [31, 17],
    [4, 3],
    [3, 5],
  ])('of %i × %i pixels, squashed: the float64 reference', (width, height) => {
    const view = viewOf(fitPicture('squash', { width, height }, input));
    const reference = upsample({ ...tensor([3, 4]), data: Float64Array.from(map.data) }, [height, width]);
    const largest = Math.max(...map.data);
    const found = upsampleToPicture(map, view, { width, height });
    expect(Math.max(...found.map((value, i) => Math.abs(value - reference.data[i]!)))).toBeLessThan(1e-6 * largest);
  });

  it('is nothing outside of a cropped view', () => {
    const picture = { width: 300, height: 100 };
    const found = upsampleToPicture(
      { ...map, data: map.data.map(() => 1) },
      viewOf(fitPicture('crop', picture, input)),
      picture,
    );
    const row = found.subarray(50 * 300, 51 * 300);
    // Resized to 219 × 73 the middle 64 × 64 begin at (77, 4): columns 105.5 to 193.2 and rows 5.48 to 93.2 of the picture.
    expect([row.indexOf(1), row.lastIndexOf(1)]).toEqual([105, 192]);
    expect([found[4 * 300 + 150], found[5 * 300 + 150]]).toEqual([0, 1]);
    expect([found[92 * 300 + 150], found[93 * 300 + 150]]).toEqual([1, 0]);
  });

  it('shows of a padded view the part on the picture', () => {
    const wide = { width: 40, height: 20 };
    const columns = { data: Float32Array.of(0, 1, 1, 0), height: 4, width: 1 };
    const found = upsampleToPicture(columns, viewOf(fitPicture('pad', wide, input)), wide);
    // The rows of the picture are the middle half of the view, from the middle of cell 0 to that of cell 3.
    expect([found[0], found[9 * 40], found[19 * 40]]).toEqual([expect.closeTo(0.55, 6), 1, expect.closeTo(0.55, 6)]);
  });

  it('keeps a plateau flat, so that its pixels stay equally high', () => {
    const flat = { data: new Float32Array(4).fill(0.3), height: 2, width: 2 };
    const found = upsampleToPicture(flat, { left: 0, top: 0, width: 7, height: 5 }, { width: 7, height: 5 });
    expect(new Set(found)).toEqual(new Set([Math.fround(0.3)]));
  });
});
