/** Sums over samples, in order: the mean of feature maps over the noisy copies, or a copy of one sample. */
import sampleMeanSource from '../../shaders/ops/sample-mean.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const SAMPLE_MEAN = source('sample-mean', sampleMeanSource);

/**
 * total[i] = keep · total[i] + scale · Σ_m x[first + m][i], m = 0 … samples - 1, added in that order. `keep` 0 starts anew
 * and reads nothing of `total`.
 */
export function sampleMean(
  elements: number,
  { first, samples, keep, scale }: { first: number; samples: number; keep: number; scale: number },
  { x, total }: { x: BufferSlice; total: BufferSlice },
): Dispatch {
  return elementwise(SAMPLE_MEAN, elements, {
    bindings: { x, total },
    uniforms: { first, samples, elements, keep, scale },
    flopsEach: samples * MEMORY_FLOPS,
  });
}

/** total = x[row]. */
export function copySample(elements: number, row: number, buffers: { x: BufferSlice; total: BufferSlice }): Dispatch {
  return sampleMean(elements, { first: row, samples: 1, keep: 0, scale: 1 }, buffers);
}
