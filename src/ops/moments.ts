/** Running sums of the first three derivatives of the score over the noisy samples. */

import addLib from '../../shaders/lib/add-moments.wgsl?raw';
import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import unpoolSource from '../../shaders/ops/moments.unpool.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';
import { type MaxpoolShape, maxpoolOutput, tilesExactly } from './maxpool.ts';

const momentsSource = () => import('../../shaders/ops/moments.wgsl?raw');

const MOMENTS = source('moments', momentsSource, {
  libs: [powerLib, addLib],
  flags: { WEIGHTED: false, SPREAD: false },
});
const UNPOOL = source('moments.unpool', unpoolSource, { libs: [powerLib, addLib], flags: { WEIGHTED: false } });

/** Floats per element of the sums: Σ D1, Σ D2 / s², Σ D3 / s³ and the scale s. */
export const MOMENT_FLOATS = 4;
/** Floats per sample and element of what classMoments() makes: v / s², m3 / s³ and the scale s. */
export const CLASS_MOMENT_FLOATS = 3;

/**
 * Adds the derivatives of the score Y = φ(x) of each sample, in their order, to `sums` [elements, 4]; `restart` begins anew.
 *
 * Without `classMoments` x is the class's logit, linear in each element, and `grad` [samples, elements] its gradient g:
 * D_p = φ⁽ᵖ⁾ gᵖ. With those of classMoments() x is log p of the class, and `grad` its gradient g = g_c − ḡ: D1 = φ' g,
 * D2 = φ'' g² − φ' v, D3 = φ''' g³ − 3 φ'' g v − φ' m3.
 *
 * `sampleWeights` [samples, 4] is from momentWeights() or scoreDerivatives(); without it φ' = φ'' = φ''' = 1.
 */
export function moments(
  elements: number,
  samples: number,
  {
    grad,
    sums,
    sampleWeights,
    classMoments,
    restart,
  }: {
    grad: BufferSlice;
    sums: BufferSlice;
    sampleWeights?: BufferSlice;
    classMoments?: BufferSlice;
    restart: boolean;
  },
): Dispatch {
  return elementwise(MOMENTS, elements, {
    flags: { WEIGHTED: sampleWeights !== undefined, SPREAD: classMoments !== undefined },
    bindings: {
      grad,
      sums,
      ...(sampleWeights && { sample_weights: sampleWeights }),
      ...(classMoments && { class_moments: classMoments }),
    },
    uniforms: { samples, elements, restart: restart ? 1 : 0 },
    flopsEach: samples * (classMoments ? 4 : 1) * MEMORY_FLOPS,
  });
}

/** Whether unpooledMoments() can be had: for 2 × 2 windows that tile the input exactly. */
export function unpoolsMoments(shape: MaxpoolShape): boolean {
  return shape.kernel === 2 && tilesExactly(shape);
}

/**
 * What moments() adds to `sums` for the gradient at the input of a max-pooling, to the same bits, from the gradient at its
 * output, `gradY` [samples, channels, out height, out width], and the `codes` that it wrote. Where the input is a ReLU's
 * output, the gradient is the one behind that ReLU.
 *
 * @param shape with unpoolsMoments()
 */
export function unpooledMoments(
  shape: MaxpoolShape,
  samples: number,
  {
    gradY,
    codes,
    sums,
    sampleWeights,
    restart,
  }: { gradY: BufferSlice; codes: BufferSlice; sums: BufferSlice; sampleWeights?: BufferSlice; restart: boolean },
): Dispatch {
  const { channels } = shape;
  const { height, width } = maxpoolOutput(shape);
  return elementwise(UNPOOL, channels * height * width, {
    flags: { WEIGHTED: sampleWeights !== undefined },
    bindings: { grad_y: gradY, codes, sums, ...(sampleWeights && { sample_weights: sampleWeights }) },
    uniforms: { samples, channels, out_height: height, out_width: width, restart: restart ? 1 : 0 },
    flopsEach: samples * 4 * MEMORY_FLOPS,
  });
}
