/** Running moments of the class score's gradient over the noisy samples. */

import decodeLib from '../../shaders/lib/decode-moments.wgsl?raw';
import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import decodeSource from '../../shaders/ops/moments.decode.wgsl?raw';
import sampleWeightsSource from '../../shaders/ops/moments.sample-weights.wgsl?raw';
import momentsSource from '../../shaders/ops/moments.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const MOMENTS = source('moments', momentsSource, { libs: [powerLib], flags: { WEIGHTED: false } });
const DECODE = source('moments.decode', decodeSource, { libs: [decodeLib] });
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

/**
 * D1, D2 and D3, each [elements], from the `sums` of moments() over n samples. Here they have float32's own range: of
 * gradients below about 1e-19 D2 comes out as zero, and D3 of those below 1e-13.
 */
export function decodeMoments(
  elements: number,
  samples: number,
  { sums, first, second, third }: { sums: BufferSlice; first: BufferSlice; second: BufferSlice; third: BufferSlice },
): Dispatch {
  return elementwise(DECODE, elements, {
    bindings: { sums, first, second, third },
    uniforms: { samples, elements },
    flopsEach: 2 * MEMORY_FLOPS,
  });
}
