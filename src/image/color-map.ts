/** Colour maps for heat maps, from d3-scale-chromatic. */
import {
  interpolateInferno,
  interpolateMagma,
  interpolatePlasma,
  interpolatePuOr,
  interpolateRdBu,
  interpolateTurbo,
  interpolateViridis,
} from 'd3-scale-chromatic';
import { OptionError } from '../errors.ts';

/** Names of colour maps from least to most. */
export const COLOR_MAPS = ['inferno', 'magma', 'plasma', 'turbo', 'viridis'] as const;
/** For signed maps, white at zero: purple below it and orange above, or blue and red. */
export const DIVERGING_COLOR_MAPS = ['puor', 'rdbu'] as const;
/** One of COLOR_MAPS or of DIVERGING_COLOR_MAPS. */
export type ColorMapName = (typeof COLOR_MAPS)[number] | (typeof DIVERGING_COLOR_MAPS)[number];
/** Red for much and blue for little, as in the papers' figures. */
export const DEFAULT_COLOR_MAP: ColorMapName = 'turbo';

/** Colours at 0 … 1, as CSS has them. */
const INTERPOLATORS: Readonly<Record<ColorMapName, (share: number) => string>> = {
  inferno: interpolateInferno,
  magma: interpolateMagma,
  plasma: interpolatePlasma,
  puor: interpolatePuOr,
  // d3's goes from red to blue.
  rdbu: (share) => interpolateRdBu(1 - share),
  turbo: interpolateTurbo,
  viridis: interpolateViridis,
};

/** 256 colours from least to most, one RGBA word each. */
export function colorTable(name: ColorMapName): Uint32Array<ArrayBuffer> {
  const names: readonly string[] = [...COLOR_MAPS, ...DIVERGING_COLOR_MAPS];
  if (!names.includes(name)) throw new OptionError('colorMap', name, names.join(', '));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = parseColor(INTERPOLATORS[name](i / 255));
    return (red | (green << 8) | (blue << 16) | (255 << 24)) >>> 0;
  });
}

export function isDiverging(name: ColorMapName): boolean {
  return (DIVERGING_COLOR_MAPS as readonly string[]).includes(name);
}

/** d3 gives '#rrggbb' or 'rgb(r, g, b)'. */
function parseColor(color: string): number[] {
  if (color.startsWith('#')) return [1, 3, 5].map((i) => Number.parseInt(color.slice(i, i + 2), 16));
  return (color.match(/\d+(\.\d+)?/g) ?? []).map((channel) => Math.round(Number(channel)));
}
