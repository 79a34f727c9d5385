/** Noisy copies of the model's input: x' = x + σ z, z standard normal from Philox4x32-10 (Salmon et al. 2011). */
import mathLib from '../../shaders/lib/math.wgsl?raw';
import philoxLib from '../../shaders/lib/philox.wgsl?raw';
import rangeSource from '../../shaders/ops/noise.range.wgsl?raw';
import noiseSource from '../../shaders/ops/noise.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const NOISE = source('noise', noiseSource, { libs: [philoxLib, mathLib] });
const RANGE = source('noise.range', rangeSource);

export interface Noise {
  /** 0 … 2^53 - 1; the Philox key is (seed mod 2^32, floor(seed / 2^32)). */
  readonly seed: number;
  /** σ, times (max x - min x) if `relative`. */
  readonly stdDev: number;
  readonly relative: boolean;
}

/** Writes (min x, max x) of `elements` values. */
export function inputRange(elements: number, { x, range }: { x: BufferSlice; range: BufferSlice }): Dispatch {
  return {
    kernel: kernel(RANGE),
    bindings: { x, range },
    uniforms: { elements },
    workgroups: 1,
    flops: elements * MEMORY_FLOPS,
  };
}

/**
 * y [noisy + clean, elements]: first the noisy copies with sample numbers firstSample …, then `clean` rows of x itself.
 * x is one sample [elements]; `range` is from inputRange.
 */
export function noise(
  elements: number,
  { seed, stdDev, relative }: Noise,
  rows: { firstSample: number; noisy: number; clean: number },
  { x, range, y }: { x: BufferSlice; range: BufferSlice; y: BufferSlice },
): Dispatch {
  const total = rows.noisy + rows.clean;
  return elementwise(NOISE, total * Math.ceil(elements / 4), {
    bindings: { x, range, y },
    uniforms: {
      rows: total,
      noisy: rows.noisy,
      elements,
      first_sample: rows.firstSample,
      seed_low: seed % 2 ** 32,
      seed_high: Math.floor(seed / 2 ** 32),
      std_dev: stdDev,
      relative: relative ? 1 : 0,
    },
    flopsEach: 20 * MEMORY_FLOPS,
  });
}
