import { describe, expect, it } from 'vitest';
import { OptionError } from '../src/errors.ts';
import { presentedMaps } from '../src/presented-maps.ts';
import { PRESETS, type PresetName } from '../src/presets.ts';

const result = (preset: PresetName | undefined, shape: readonly [number, number, number], values: number[]) => ({
  map: { data: Float32Array.from(values), shape },
  options: { preset },
});

describe('presentedMaps', () => {
  it('divides by the maximum, map by map, at their own size', () => {
    const { data, shape } = presentedMaps(result(undefined, [2, 1, 2], [1, 4, 10, 5]));
    expect([...data]).toEqual([0.25, 1, 1, 0.5]);
    expect(shape).toEqual([2, 1, 2]);
  });

  it('begins at zero where the program does', () => {
    expect([...presentedMaps(result('torch-cam', [1, 1, 3], [1, 2, 5])).data]).toEqual([0, 0.25, 1]);
  });

  it('lays edge on edge, or corner on corner', () => {
    const at = (preset: PresetName) => [
      ...presentedMaps(result(preset, [1, 1, 2], [0, 8]), { height: 1, width: 5 }).data,
    ];
    expect(at('official').map((value) => Math.round(100 * value))).toEqual([0, 10, 50, 90, 100]);
    expect(at('tf-keras-vis').map((value) => Math.round(100 * value))).toEqual([0, 25, 50, 75, 100]);
  });

  it('has the whole range of what it enlarged, where the program looks at that', () => {
    const at = (preset: PresetName) =>
      Math.max(...presentedMaps(result(preset, [1, 1, 3], [0, 8, 0]), { height: 1, width: 4 }).data);
    expect(at('official')).toBeCloseTo(0.625, 6);
    expect(at('pytorch-grad-cam')).toBe(1);
  });

  it.each(PRESETS)('is never NaN: %s', (preset) => {
    for (const value of [0, 3]) {
      for (const size of [undefined, { height: 1, width: 1 }, { height: 3, width: 2 }]) {
        const { data } = presentedMaps(result(preset, [1, 1, 2], [value, value]), size);
        expect(data.every((shown) => shown === 0 || shown === 1)).toBe(true);
      }
      expect(presentedMaps(result(preset, [1, 1, 1], [value]), { height: 2, width: 3 }).data).toHaveLength(6);
    }
  });

  it('refuses a size that is none', () => {
    const call = () => presentedMaps(result('official', [1, 1, 1], [1]), { height: 0, width: 2 });
    expect(call).toThrow(OptionError);
    expect(call).toThrow('height');
  });
});
