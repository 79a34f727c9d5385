/** Weights of feature maps from the class scores of masked copies. */
import { softmax } from './softmax.ts';
import { type Tensor, tensor } from './tensor.ts';

/** Score-CAM: the softmax over the maps; those without a score, for want of a mask, have the weight 0. */
export function maskedScoreWeights(scores: readonly (number | undefined)[]): Tensor {
  const known = scores.filter((score) => score !== undefined);
  const shares = softmax(tensor([1, known.length], known)).data.values();
  return tensor(
    [scores.length],
    scores.map((score) => (score === undefined ? 0 : shares.next().value!)),
  );
}

/** Ablation-CAM: by how much the score S falls without map k, as a share of |S|. */
export function scoreDropWeights(score: number, scores: readonly number[]): Tensor {
  const divisor = score === 0 ? 1 : Math.abs(score);
  return tensor(
    [scores.length],
    scores.map((without) => (score - without) / divisor),
  );
}
