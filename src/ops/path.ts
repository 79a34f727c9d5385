/** Points of the straight line from a baseline to the model's input, for integrated gradients (Sundararajan et al. 2017). */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const pathSource = () => import('../../shaders/ops/path.wgsl?raw');

const PATH = source('path', pathSource);

export interface PathShape {
  readonly channels: number;
  /** Height × width of the input. */
  readonly cells: number;
  /** Points of the line: number k is b + (k + ½) / steps · (x − b), the midpoint rule's; number `steps` is b itself. */
  readonly steps: number;
}

/**
 * y [points + clean, channels, cells]: the points with numbers firstPoint …, then `clean` rows of x itself. x is one sample
 * [channels, cells], `baseline` [channels] its b, of one colour.
 */
export function path(
  { channels, cells, steps }: PathShape,
  rows: { firstPoint: number; points: number; clean: number },
  { x, baseline, y }: { x: BufferSlice; baseline: BufferSlice; y: BufferSlice },
): Dispatch {
  const total = rows.points + rows.clean;
  return elementwise(PATH, total * channels * cells, {
    bindings: { x, baseline, y },
    uniforms: { rows: total, points: rows.points, first_point: rows.firstPoint, steps, channels, cells },
  });
}
