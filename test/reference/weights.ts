/** W_k, the weight of each feature map. */
import type { Moments } from './moments.ts';
import { expectShape, type Tensor, tensor } from './tensor.ts';

/** Grad-CAM (Selvaraju et al. 2017): W_k = mean over the cells of g_k. @param gradient [K, H, W] @returns [K] */
export function gradCamWeights(gradient: Tensor): Tensor {
  const [maps, height, width] = gradient.shape as readonly number[] as [number, number, number];
  const weights = tensor([maps]);
  for (let k = 0; k < maps; k++) {
    for (let cell = 0; cell < height * width; cell++) weights.data[k]! += gradient.data[k * height * width + cell]!;
    weights.data[k]! /= height * width;
  }
  return weights;
}

/**
 * XGrad-CAM (Fu et al. 2020): W_k = Σ_ij A_k[ij] / (Σ_ab A_k[ab]) · g_k[ij]; a map that is zero everywhere has no shares
 * and no weight.
 *
 * @param gradient [K, H, W]
 * @param activations A, [K, H, W], not negative
 * @returns [K]
 */
export function xGradCamWeights(gradient: Tensor, activations: Tensor): Tensor {
  expectShape('the gradient', gradient, activations.shape);
  const [maps, height, width] = gradient.shape as readonly number[] as [number, number, number];
  const cells = height * width;
  const weights = tensor([maps]);
  for (let k = 0; k < maps; k++) {
    const map = activations.data.subarray(k * cells, (k + 1) * cells);
    const sum = map.reduce((total, value) => total + value, 0);
    if (sum === 0) continue;
    map.forEach((value, cell) => {
      weights.data[k]! += (value / sum) * gradient.data[k * cells + cell]!;
    });
  }
  return weights;
}

export interface AlphaWeights {
  /** W, [K]. */
  readonly weights: Tensor;
  /** α, [K, H, W]. */
  readonly alpha: Tensor;
  /** How many cells of α were set to zero because their denominator was not a positive finite number. */
  readonly alphaZeroCells: number;
}

/**
 * Grad-CAM++ and Smooth Grad-CAM++ (Omeiza et al. 2019):
 *
 *     α_k[ij] = N / (2·D2[ij] + G_k·D3[ij]),  G_k = Σ_ab A_k[a, b],  N = D2 ('second', Eq. 5) or D1 ('first', Eq. 7)
 *     W_k = Σ_ij α_k[ij] · ReLU(D1[ij])
 *
 * Where the denominator is ≤ 0 or not finite, α = 0.
 *
 * @param moments D1, D2, D3, each [K, H, W]
 * @param activations A, [K, H, W]
 */
export function alphaWeights(moments: Moments, activations: Tensor, numerator: 'second' | 'first'): AlphaWeights {
  const { first, second, third } = moments;
  expectShape('the moments', first, activations.shape);
  const [maps, height, width] = activations.shape as readonly number[] as [number, number, number];
  const cells = height * width;
  const weights = tensor([maps]);
  const alpha = tensor(activations.shape);
  let alphaZeroCells = 0;
  for (let k = 0; k < maps; k++) {
    let activationSum = 0;
    for (let cell = 0; cell < cells; cell++) activationSum += activations.data[k * cells + cell]!;
    for (let cell = 0; cell < cells; cell++) {
      const index = k * cells + cell;
      const denominator = 2 * second.data[index]! + activationSum * third.data[index]!;
      if (!Number.isFinite(denominator) || denominator <= 0) {
        alphaZeroCells++;
        continue;
      }
      alpha.data[index] = (numerator === 'second' ? second.data[index]! : first.data[index]!) / denominator;
      weights.data[k]! += alpha.data[index]! * Math.max(0, first.data[index]!);
    }
  }
  return { weights, alpha, alphaZeroCells };
}
