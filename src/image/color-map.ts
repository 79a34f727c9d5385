/** Colour maps for heat maps. */

/** Names of colour maps from least to most. */
export const COLOR_MAPS = ['inferno', 'magma', 'plasma', 'turbo', 'viridis'] as const;
/** For signed maps, white at zero: purple below it and orange above, or blue and red. */
export const DIVERGING_COLOR_MAPS = ['puor', 'rdbu'] as const;
/** One of COLOR_MAPS or of DIVERGING_COLOR_MAPS. */
export type ColorMapName = (typeof COLOR_MAPS)[number] | (typeof DIVERGING_COLOR_MAPS)[number];
/** Red for much and blue for little, as in the papers' figures. */
export const DEFAULT_COLOR_MAP: ColorMapName = 'turbo';

const NO_STEP = 'E'.charCodeAt(0);

/** A colour map as turbo-table.ts has it. */
export interface SampledColors {
  readonly first: readonly number[];
  readonly steps: readonly string[];
}

/** 256 colours from least to most, one RGBA word each. */
export function colorWords({ first, steps }: SampledColors): Uint32Array<ArrayBuffer> {
  const color = [...first];
  return Uint32Array.from({ length: 256 }, (_, i) => {
    if (i > 0) for (let c = 0; c < 3; c++) color[c]! += steps[c]!.charCodeAt(i - 1) - NO_STEP;
    const [red, green, blue] = color as [number, number, number];
    return (red | (green << 8) | (blue << 16) | (255 << 24)) >>> 0;
  });
}

export function isDiverging(name: ColorMapName): boolean {
  return (DIVERGING_COLOR_MAPS as readonly string[]).includes(name);
}
