/** What moments() weights each sample with, where the derivatives of the score's outer function φ differ from sample to sample. */
import lanesLib from '../../shaders/lib/lanes.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source } from './common.ts';

const sampleWeightsSource = () => import('../../shaders/ops/moments.sample-weights.wgsl?raw');
const scoreDerivativesSource = () => import('../../shaders/ops/moments.score-derivatives.wgsl?raw');

const SAMPLE_WEIGHTS = source('moments.sample-weights', sampleWeightsSource);
const SCORE_DERIVATIVES = source('moments.score-derivatives', scoreDerivativesSource, {
  libs: [lanesLib],
  flags: { SIGMOID: false },
});

/** Floats per sample of the weights: the factor for the sums so far, then φ', φ'' and φ'''. */
export const SAMPLE_WEIGHT_FLOATS = 4;

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
