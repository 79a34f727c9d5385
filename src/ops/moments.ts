/** Running sums of the first three derivatives of the score over the noisy samples. */

import addLib from '../../shaders/lib/add-moments.wgsl?raw';
import lanesLib from '../../shaders/lib/lanes.wgsl?raw';
import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import unpoolSource from '../../shaders/ops/moments.unpool.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';
import { type MaxpoolShape, maxpoolOutput, tilesExactly } from './maxpool.ts';

const decodeLib = () => import('../../shaders/lib/decode-moments.wgsl?raw');
const decodeSource = () => import('../../shaders/ops/moments.decode.wgsl?raw');
const momentsSource = () => import('../../shaders/ops/moments.wgsl?raw');
const sampleWeightsSource = () => import('../../shaders/ops/moments.sample-weights.wgsl?raw');
const scoreDerivativesSource = () => import('../../shaders/ops/moments.score-derivatives.wgsl?raw');

const DECODE = source('moments.decode', decodeSource, { libs: [decodeLib] });
const MOMENTS = source('moments', momentsSource, {
  libs: [powerLib, addLib],
  flags: { WEIGHTED: false, SPREAD: false },
});
const UNPOOL = source('moments.unpool', unpoolSource, { libs: [powerLib, addLib], flags: { WEIGHTED: false } });
const SAMPLE_WEIGHTS = source('moments.sample-weights', sampleWeightsSource);
const SCORE_DERIVATIVES = source('moments.score-derivatives', scoreDerivativesSource, {
  libs: [lanesLib],
  flags: { SIGMOID: false },
});

/** Floats per element of the sums: Σ D1, Σ D2 / s², Σ D3 / s³ and the scale s. */
export const MOMENT_FLOATS = 4;
/** Floats per sample of the weights: the factor for the sums so far, then φ', φ'' and φ'''. */
export const SAMPLE_WEIGHT_FLOATS = 4;

/**
 * Adds the derivatives of the score Y = φ(x) of each sample, in their order, to `sums` [elements, 4]; `restart` begins anew.
 *
 * Without `classMoments` x is the class's logit, linear in each element, and `grad` [samples, elements] its gradient g:
 * D_p = φ⁽ᵖ⁾ gᵖ. With those of classMoments() x is log p of the class, and `grad` its gradient g = g_c − ḡ: D1 = φ' g,
 * D2 = φ'' g² − φ' v, D3 = φ''' g³ − 3 φ'' g v − φ' m3.
 *
 * `sampleWeights` [samples, 4] is from momentWeights or scoreDerivatives; without it φ' = φ'' = φ''' = 1.
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

/**
 * The derivatives φ', φ'' and φ''' of the score of the class `index`, for each sample's own `logits` [samples, classes]:
 * of the sigmoid of its logit, less that of the class `contrast` if there is one, or of e^x with x the logarithm of its softmax.
 */
export function scoreDerivatives(
  score: 'sigmoid' | 'softmax',
  classes: number,
  samples: number,
  {
    logits,
    index,
    sampleWeights,
    contrast = classes,
  }: { logits: BufferSlice; index: BufferSlice; sampleWeights: BufferSlice; contrast?: number },
): Dispatch {
  return {
    kernel: kernel(SCORE_DERIVATIVES, { flags: { SIGMOID: score === 'sigmoid' } }),
    bindings: { logits, index, sample_weights: sampleWeights },
    uniforms: { classes, contrast },
    workgroups: samples,
    flops: samples * (score === 'softmax' ? classes : 1) * MEMORY_FLOPS,
  };
}

/**
 * Sample weights ω = e^(S - max S), as φ' = φ'' = φ''', for `logits` [samples, classes] of the class `index`; `largest` holds
 * max S so far. With `contrast`, a class, S is less its logit.
 */
export function momentWeights(
  classes: number,
  samples: number,
  {
    logits,
    index,
    largest,
    sampleWeights,
    contrast = classes,
    restart,
  }: {
    logits: BufferSlice;
    index: BufferSlice;
    largest: BufferSlice;
    sampleWeights: BufferSlice;
    contrast?: number;
    restart: boolean;
  },
): Dispatch {
  return {
    kernel: kernel(SAMPLE_WEIGHTS),
    bindings: { logits, index, largest, sample_weights: sampleWeights },
    uniforms: { samples, classes, restart: restart ? 1 : 0, contrast },
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
