/** The heat map as colours on a canvas, as the overlay has them: other colours need no GPU and no new map. */
import { isDiverging } from '../image/color-map.ts';
import { colorTable } from '../image/color-table.ts';
import { upsampleToPicture } from '../image/upsample-to-picture.ts';
import type { ColorMapName, HeatMaps, View } from '../index.ts';

/** Where maps lie in their picture. */
export interface MapGround {
  readonly picture: { readonly width: number; readonly height: number };
  /** In pixels of the picture. */
  readonly view: View;
}

/**
 * Sides of the canvas in pixels at most: beyond this a map of 14 × 14 cells shows nothing new, and colouring it stays within a
 * few milliseconds. The page enlarges it.
 */
const MOST_PIXELS = 448;

/**
 * Draws one of the maps, enlarged bilinearly. Its largest value has the last colour, zero the first, or the middle one of colours
 * that diverge. Outside of the view the canvas is transparent, and so it is everywhere for a map of zeros alone.
 *
 * @param maps before the ReLU where the colours diverge
 * @param index which of the maps, below their number
 */
export function drawHeat(
  canvas: HTMLCanvasElement,
  { data, shape: [, height, width] }: HeatMaps,
  index: number,
  { picture, view }: MapGround,
  colorMap: ColorMapName,
): void {
  const scale = Math.min(1, MOST_PIXELS / Math.max(picture.width, picture.height));
  const size = {
    width: Math.max(1, Math.round(picture.width * scale)),
    height: Math.max(1, Math.round(picture.height * scale)),
  };
  // Each side is rounded on its own.
  const [sx, sy] = [size.width / picture.width, size.height / picture.height];
  const scaled = { left: view.left * sx, top: view.top * sy, width: view.width * sx, height: view.height * sy };
  const cells = data.subarray(index * height * width, (index + 1) * height * width);
  const diverges = isDiverging(colorMap);
  const largest = cells.reduce((a, b) => Math.max(a, diverges ? Math.abs(b) : b), 0);
  const low = diverges ? -largest : 0;
  const values = upsampleToPicture({ data: cells, height, width }, scaled, size);
  const colors = colorTable(colorMap);
  const pixels = new Uint32Array(values.length);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      if (largest === 0 || !isInside(scaled, x + 0.5, y + 0.5)) continue;
      const at = y * size.width + x;
      pixels[at] = colors[Math.round((255 * (values[at] - low)) / (largest - low))];
    }
  }
  canvas.width = size.width;
  canvas.height = size.height;
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), size.width), 0, 0);
}

function isInside({ left, top, width, height }: View, x: number, y: number): boolean {
  return x >= left && x <= left + width && y >= top && y <= top + height;
}

/** The colours from least to most, from left to right. */
export function drawLegend(canvas: HTMLCanvasElement, colorMap: ColorMapName): void {
  const colors = colorTable(colorMap);
  canvas.width = colors.length;
  canvas.height = 1;
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(colors.buffer), colors.length), 0, 0);
}
