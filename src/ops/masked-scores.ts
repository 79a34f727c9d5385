/** From the class scores of masked copies to the weights of the feature maps that they are about. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const rangeLib = () => import('../../shaders/lib/mask-range.wgsl?raw');
const dropSource = () => import('../../shaders/ops/masked-scores.drop.wgsl?raw');
const softmaxSource = () => import('../../shaders/ops/masked-scores.softmax.wgsl?raw');
const scoresSource = () => import('../../shaders/ops/masked-scores.wgsl?raw');

const SCORES = source('masked-scores', scoresSource);
const DROP = source('masked-scores.drop', dropSource);
const SOFTMAX = source('masked-scores.softmax', softmaxSource, { libs: [rangeLib] });

/** `scores` [maps], of which this writes `count` from `first` on: the logit of the class `index` in `logits` [count, classes]. */
export function maskedScores(
  classes: number,
  { first, count }: { first: number; count: number },
  { logits, index, scores }: { logits: BufferSlice; index: BufferSlice; scores: BufferSlice },
): Dispatch {
  return elementwise(SCORES, count, {
    bindings: { logits, index, scores },
    uniforms: { first, copies: count, classes },
  });
}

/**
 * Score-CAM (Wang et al. 2020, Algorithm 1): `weights` [maps], the softmax over the maps of their copies' `scores` [maps]. A
 * baseline's score that is subtracted from all of them would cancel. Maps whose `ranges` [maps, 2], from maskRanges(), make
 * no mask stay outside the softmax and have the weight 0.
 */
export function maskedScoreWeights(
  maps: number,
  buffers: { scores: BufferSlice; ranges: BufferSlice; weights: BufferSlice },
): Dispatch {
  return {
    kernel: kernel(SOFTMAX),
    bindings: { ...buffers },
    uniforms: { maps },
    workgroups: 1,
    flops: 3 * maps * MEMORY_FLOPS,
  };
}

/**
 * Ablation-CAM (Desai and Ramaswamy 2020): `weights` [maps], W_k = (S − S_k) / |S|, with S_k the score of the copy that lacks
 * map k and S the clean picture's, `logits`[index]. The paper divides by S, which it takes to be above zero; below, its
 * weights would change their sign. The divisor is the same for all maps, and left out where |S| < 1e-30.
 */
export function scoreDropWeights(
  maps: number,
  buffers: { scores: BufferSlice; logits: BufferSlice; index: BufferSlice; weights: BufferSlice },
): Dispatch {
  return elementwise(DROP, maps, { bindings: { ...buffers }, uniforms: { maps } });
}
