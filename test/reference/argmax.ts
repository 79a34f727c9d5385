/** The class of the largest score, per sample. */
import type { Tensor } from './tensor.ts';

/** @param scores [N, classes] @returns N class indices; of equal scores the lowest index wins */
export function argmax(scores: Tensor): number[] {
  const [samples, classes] = scores.shape as readonly number[] as [number, number];
  return Array.from({ length: samples }, (_, n) => {
    let winner = 0;
    for (let c = 1; c < classes; c++) {
      if (scores.data[n * classes + c]! > scores.data[n * classes + winner]!) winner = c;
    }
    return winner;
  });
}
