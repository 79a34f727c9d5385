import * as chromatic from 'd3-scale-chromatic';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { COLOR_MAPS, type ColorMapName, DEFAULT_COLOR_MAP, DIVERGING_COLOR_MAPS } from '../../src/image/color-map.ts';
import { colorTable } from '../../src/image/color-table.ts';

const channels = (word: number) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24];

describe('colorTable', () => {
  it.each([...COLOR_MAPS, ...DIVERGING_COLOR_MAPS])('%s is 256 opaque colours that change little by little', (name) => {
    const table = colorTable(name);
    expect(table).toHaveLength(256);
    const colors = [...table].map(channels);
    for (const [i, color] of colors.entries()) {
      expect(color[3]).toBe(255);
      if (i === 0) continue;
      // Interpolated, without a jump: no channel of these maps moves by more than 16 of 255 at a step.
      for (let c = 0; c < 3; c++) expect(Math.abs(color[c]! - colors[i - 1]![c]!)).toBeLessThanOrEqual(16);
    }
    expect(new Set(table).size).toBeGreaterThan(200);
  });

  it.each([
    ['inferno', chromatic.interpolateInferno],
    ['magma', chromatic.interpolateMagma],
    ['plasma', chromatic.interpolatePlasma],
    ['turbo', chromatic.interpolateTurbo],
    ['viridis', chromatic.interpolateViridis],
    ['puor', chromatic.interpolatePuOr],
    ['rdbu', (share: number) => chromatic.interpolateRdBu(1 - share)],
  ] as const)("%s has d3's colours", (name, interpolate) => {
    for (const [i, word] of colorTable(name).entries()) {
      const color = interpolate(i / 255);
      const hex = color.match(/[0-9a-f]{2}/g)?.map((channel) => Number.parseInt(channel, 16));
      const decimal = color.match(/\d+/g)?.map(Number);
      expect(channels(word).slice(0, 3)).toEqual(color.startsWith('#') ? hex : decimal);
    }
  });

  // Of matplotlib, which these maps come from, at 0 and 1.
  it.each([
    ['viridis', [68, 1, 84], [253, 231, 37]],
    ['inferno', [0, 0, 4], [252, 255, 164]],
    ['magma', [0, 0, 4], [252, 253, 191]],
    ['plasma', [13, 8, 135], [240, 249, 33]],
  ] as const)('%s begins and ends with its published colours', (name, first, last) => {
    const table = colorTable(name);
    expect(channels(table[0]!).slice(0, 3)).toEqual(first);
    expect(channels(table[255]!).slice(0, 3)).toEqual(last);
  });

  it('shows little in blue and much in red by default', () => {
    const table = colorTable(DEFAULT_COLOR_MAP);
    const [lowRed, , lowBlue] = channels(table[32]!);
    const [highRed, , highBlue] = channels(table[224]!);
    expect(lowBlue).toBeGreaterThan(lowRed! + 100);
    expect(highRed).toBeGreaterThan(highBlue! + 100);
  });

  it('says which maps there are', () => {
    expect(() => colorTable('jet' as ColorMapName)).toThrow(OptionError);
    expect(() => colorTable('jet' as ColorMapName)).toThrow(`colorMap: got "jet"; allowed: ${COLOR_MAPS.join(', ')}`);
  });
});
