/** A result's maps as the program that its preset reproduces hands them to its caller. */
import type { Explanation, HeatMaps } from './explanation.ts';
import type { View } from './image/fit.ts';
import { checkSize } from './image/map-size.ts';
import { upsampleToPicture } from './image/upsample-to-picture.ts';
import { PRESET_TABLE, type Presentation, USUAL_PRESENTATION } from './presets.ts';

/**
 * The maps as the preset's program presents them, each 0 … 1: see the preset's `presentation` in PRESET_TABLE. Without a preset
 * they are divided by their largest value and enlarged with half-pixel centres. Where there is
 * nothing to divide by, a map is zero; what programs add to the divisor for that case, at most 1e-7, is left out.
 *
 * @param size default: the maps' own, as torch-cam leaves them
 * @throws OptionError for a size that is no size
 */
export function presentedMaps(
  { map: heat, options }: { readonly map: HeatMaps; readonly options: Pick<Explanation['options'], 'preset'> },
  size?: { height: number; width: number },
): HeatMaps {
  const [maps, height, width] = heat.shape;
  const presented = size ?? { height, width };
  checkSize('presentedMaps()', presented);
  const { preset } = options;
  const presentation = preset === undefined ? USUAL_PRESENTATION : PRESET_TABLE[preset].presentation;
  const cells = height * width;
  const pixels = presented.height * presented.width;
  const data = new Float32Array(maps * pixels);
  for (let map = 0; map < maps; map++) {
    const own = { data: heat.data.subarray(map * cells, (map + 1) * cells), height, width };
    data.set(present(own, presented, presentation), map * pixels);
  }
  return { data, shape: [maps, presented.height, presented.width] };
}

function present(
  map: { readonly data: Float32Array; readonly height: number; readonly width: number },
  size: { readonly height: number; readonly width: number },
  { normalization, normalizedAt, upsampling }: Presentation,
): Float32Array {
  const view = upsampling === 'corners' ? viewOfCorners(map, size) : { left: 0, top: 0, ...size };
  const enlarged = upsampleToPicture(map, view, size);
  const [low, high] = rangeOf(normalizedAt === 'layer' ? map.data : enlarged, normalization);
  return enlarged.map((value) => (high > low ? (value - low) / (high - low) : 0));
}

function rangeOf(values: Float32Array, normalization: Presentation['normalization']): [low: number, high: number] {
  const high = values.reduce((most, value) => Math.max(most, value), 0);
  return [normalization === 'max' ? 0 : values.reduce((least, value) => Math.min(least, value), high), high];
}

/** Where a map's outer edges lie when the centres of its corner cells lie on those of the corner pixels. */
function viewOfCorners(
  map: { readonly height: number; readonly width: number },
  size: { readonly height: number; readonly width: number },
): View {
  const across = axisOfCorners(map.width, size.width);
  const down = axisOfCorners(map.height, size.height);
  return { left: across.start, width: across.length, top: down.start, height: down.length };
}

function axisOfCorners(cells: number, pixels: number): { start: number; length: number } {
  // A single cell is everywhere, and a single pixel is the first cell.
  if (cells === 1) return { start: 0, length: pixels };
  if (pixels === 1) return { start: 0, length: cells };
  const length = (cells * (pixels - 1)) / (cells - 1);
  return { start: 0.5 - length / cells / 2, length };
}
