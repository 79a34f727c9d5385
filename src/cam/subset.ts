/** Which cells of the feature map enter the weighted sum: the paper's region and list of neurons. */
import type { Cell } from '../options.ts';

/** One word per cell, row by row: 1 where the cell counts. */
export function subsetMask(
  { height, width }: { height: number; width: number },
  subset: readonly Cell[] | undefined,
  region: boolean,
): Uint32Array<ArrayBuffer> {
  const mask = new Uint32Array(height * width);
  if (subset === undefined) return mask.fill(1);
  if (!region) {
    for (const [row, column] of subset) mask[row * width + column] = 1;
    return mask;
  }
  const [[r0, c0], [r1, c1]] = subset;
  for (let row = Math.min(r0, r1); row <= Math.max(r0, r1); row++) {
    mask.fill(1, row * width + Math.min(c0, c1), row * width + Math.max(c0, c1) + 1);
  }
  return mask;
}
