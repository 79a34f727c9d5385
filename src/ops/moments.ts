/** Running moments of the class score's gradient over the noisy samples. */

import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import sampleWeightsSource from '../../shaders/ops/moments.sample-weights.wgsl?raw';
import momentsSource from '../../shaders/ops/moments.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const MOMENTS = source('moments', momentsSource, { libs: [powerLib], flags: { WEIGHTED: false } });
const SAMPLE_WEIGHTS = source('moments.sample-weights', sampleWeightsSource);

/** Floats per element of the sums: Σ ω g, Σ ω (g/s)², Σ ω (g/s)³ and the scale s. */
export const MOMENT_FLOATS = 4;

/**
 * Adds the samples of `grad` [samples, elements], in their order, to `sums` [elements, 4]; `restart` begins anew.
 * `sampleWeights` [samples, 2] is from momentWeights; without it every sample counts the same.
 */
export function moments(
  elements: number,
  samples: number,
  {
    grad,
    sums,
    sampleWeights,
    restart,
  }: {
    grad: BufferSlice;
    sums: BufferSlice;
    sampleWeights?: BufferSlice;
    restart: boolean;
  },
): Dispatch {
  return elementwise(MOMENTS, elements, {
    flags: { WEIGHTED: sampleWeights !== undefined },
    bindings: sampleWeights ? { grad, sums, sample_weights: sampleWeights } : { grad, sums },
    uniforms: { samples, elements, restart: restart ? 1 : 0 },
    flopsEach: samples * MEMORY_FLOPS,
  });
}

/** Sample weights ω = e^(S - max S) for `logits` [samples, classes] of the class `index`; `largest` holds max S so far. */
export function momentWeights(
  classes: number,
  samples: number,
  {
    logits,
    index,
    largest,
    sampleWeights,
    restart,
  }: {
    logits: BufferSlice;
    index: BufferSlice;
    largest: BufferSlice;
    sampleWeights: BufferSlice;
    restart: boolean;
  },
): Dispatch {
  return {
    kernel: kernel(SAMPLE_WEIGHTS),
    bindings: { logits, index, largest, sample_weights: sampleWeights },
    uniforms: { samples, classes, restart: restart ? 1 : 0 },
    workgroups: 1,
    flops: samples * MEMORY_FLOPS,
  };
}
