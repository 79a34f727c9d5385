import { describe, expect, it } from 'vitest';
import { heatLevels, type OverlayParameters, overlay } from './overlay.ts';
import { tensor } from './tensor.ts';
import { upsample } from './upsample.ts';

const WHOLE = { left: 0, top: 0, width: 4, height: 2 };
const GRAY = tensor(
  [256, 3],
  Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3)),
);
/** [2, 4] pixels of one colour. */
const PICTURE = tensor([2, 4, 4], Array.from({ length: 8 }, () => [10, 20, 30, 77]).flat());
const parameters = (more: Partial<OverlayParameters>): OverlayParameters => ({
  view: WHOLE,
  low: 0,
  high: 1,
  opacity: 0.5,
  ...more,
});

describe('heatLevels', () => {
  it('is the enlarged map, where the view is the whole picture', () => {
    const heat = tensor([2, 3], [0, 0.25, 1, 0.5, 0.75, 0.125]);
    const levels = heatLevels([7, 11], heat, parameters({ view: { left: 0, top: 0, width: 11, height: 7 } }));
    upsample(heat, [7, 11]).data.forEach((value, i) => {
      expect(levels.data[i]).toBeCloseTo(255 * value, 10);
    });
  });

  it('runs from low to high and stops there', () => {
    const heat = tensor([1, 4], [-1, 2, 3, 9]);
    const levels = heatLevels([1, 4], heat, parameters({ view: { ...WHOLE, height: 1 }, low: 1, high: 5 }));
    expect([...levels.data]).toEqual([0, 255 / 4, 255 / 2, 255]);
  });

  it('leaves out pixels whose centre the view does not hold', () => {
    const heat = tensor([1, 1], [1]);
    const levels = heatLevels([2, 4], heat, parameters({ view: { left: 0.6, top: -3, width: 2, height: 4 } }));
    expect([...levels.data]).toEqual([NaN, 255, 255, NaN, NaN, NaN, NaN, NaN]);
  });
});

describe('overlay', () => {
  it('mixes the picture with the nearest colour, and leaves it outside the view', () => {
    const levels = tensor([2, 4], [0, 100.4, 100.6, 255, NaN, NaN, NaN, NaN]);
    const result = overlay(PICTURE, levels, GRAY, parameters({ opacity: 0.25 }));
    const mixed = (gray: number) => [10, 20, 30].map((below) => 0.75 * below + 0.25 * gray);
    const expected = [0, 100, 101, 255].flatMap(mixed);
    expect([...result.data.subarray(0, 12)]).toEqual(expected);
    expect([...result.data.subarray(12)]).toEqual([10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 30]);
  });
});
