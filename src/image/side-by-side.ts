/** Pictures of one size next to each other, in rows, with captions. */
import { ImageError } from '../errors.ts';
import { drawLettering, letteringSize } from './lettering.ts';
import type { OverlayImage } from './overlay.ts';

/** White pixels between two pictures, and around captions and what they stand beside. */
const GAP = 8;
/** Of captions: letters as large as their picture is wide enough for, up to this many pixels a dot. */
const LARGEST_SCALE = 3;

export interface SheetOptions {
  /** Pictures in a row. Default: all of them. */
  readonly columns?: number;
  /** Lines above each column. */
  readonly headings?: readonly (readonly string[])[];
  /** Lines to the left of each row. */
  readonly rowTitles?: readonly (readonly string[])[];
}

/**
 * @param pictures RGBA, at least one, row by row; undefined where nothing is to be shown
 * @throws ImageError when their sizes differ
 */
export function sideBySide(pictures: readonly (OverlayImage | undefined)[], options: SheetOptions = {}): OverlayImage {
  const { columns = pictures.length, headings = [], rowTitles = [] } = options;
  const { width, height } = sizeOf(pictures);
  const scale = captionScale(headings, width);
  const [heading, title] = [headings, rowTitles].map((captions) => extentOf(captions, scale));
  const margin = headings.length + rowTitles.length > 0 ? GAP : 0;
  const left = margin + (title!.width === 0 ? 0 : title!.width + GAP);
  const top = margin + heading!.height;
  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / columns);
  const sheet = blank(left + across * (width + GAP) - GAP + margin, top + down * (height + GAP) - GAP + margin);
  const place = (row: number, column: number) => ({ x: left + column * (width + GAP), y: top + row * (height + GAP) });
  headings.forEach((lines, column) => {
    // A single line stands next to its pictures. Below each line is space already.
    const own = letteringSize(lines, scale);
    drawLettering(sheet, lines, { left: place(0, column).x, top: top - own.height, scale });
  });
  rowTitles.forEach((lines, row) => {
    const own = letteringSize(lines, scale);
    const middle = place(row, 0).y + Math.floor((height - own.height) / 2);
    drawLettering(sheet, lines, { left: margin, top: middle, scale });
  });
  pictures.forEach((picture, i) => {
    if (picture) copyInto(sheet, picture, place(Math.floor(i / columns), i % columns));
  });
  return sheet;
}

function sizeOf(pictures: readonly (OverlayImage | undefined)[]): { width: number; height: number } {
  const [first, ...others] = pictures.filter((picture) => picture !== undefined);
  const { width, height } = first!;
  for (const other of others) {
    if (other.width === width && other.height === height) continue;
    throw new ImageError(
      `pictures of different sizes (${width} × ${height} and ${other.width} × ${other.height}) cannot stand side by side`,
    );
  }
  return { width, height };
}

function captionScale(headings: readonly (readonly string[])[], width: number): number {
  const unit = Math.max(1, ...headings.map((lines) => letteringSize(lines, 1).width));
  return Math.min(LARGEST_SCALE, Math.max(1, Math.floor(width / unit)));
}

function extentOf(captions: readonly (readonly string[])[], scale: number): { width: number; height: number } {
  const sizes = captions.map((lines) => letteringSize(lines, scale));
  return {
    width: Math.max(0, ...sizes.map(({ width }) => width)),
    height: Math.max(0, ...sizes.map(({ height }) => height)),
  };
}

function blank(width: number, height: number): OverlayImage {
  return { data: new Uint8ClampedArray(width * height * 4).fill(255), width, height };
}

function copyInto(
  sheet: OverlayImage,
  { data, width, height }: OverlayImage,
  { x, y }: { x: number; y: number },
): void {
  for (let row = 0; row < height; row++) {
    sheet.data.set(data.subarray(row * width * 4, (row + 1) * width * 4), ((y + row) * sheet.width + x) * 4);
  }
}
