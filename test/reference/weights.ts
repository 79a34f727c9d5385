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

/** How α is read, see alphaWeights(); what is left out is the papers'. */
export interface AlphaForm {
  readonly alphaNumerator?: 'second' | 'first';
  readonly alphaDenominator?: 'cell' | 'sum' | 'none';
  readonly alphaEpsilon?: number;
  readonly alphaGuard?: 'positive' | 'nonzero';
  readonly alphaNormalization?: 'none' | 'all' | 'positive-gradient';
}

/**
 * Grad-CAM++ and Smooth Grad-CAM++ (Omeiza et al. 2019):
 *
 *     α_k[ij] = N / (2·D2[ij] + G_k·D3[ij]),  G_k = Σ_ab A_k[a, b],  N = D2 ('second', Eq. 5) or D1 ('first', Eq. 7)
 *     W_k = Σ_ij α_k[ij] · ReLU(D1[ij])
 *
 * Where the denominator is ≤ 0 or not finite, α = 0. Otherwise read:
 *
 * - the denominator: 'sum', 2·D2[ij] + Σ_ab A_k[ab]·D3[ab]; 'none', 1. ε is added to either.
 * - the guard 'nonzero': α = 0 where the denominator is 0 or not finite.
 * - α is divided by Σ_ij α_k[ij] ('all'), or by the sum over the cells where ReLU(D1) > 0 ('positive-gradient'), unless the
 *   sum is 0.
 *
 * @param moments D1, D2, D3, each [K, H, W]
 * @param activations A, [K, H, W]
 * @param gradient [K, H, W], in the place of D1 behind α
 */
export function alphaWeights(
  moments: Moments,
  activations: Tensor,
  form: AlphaForm = {},
  gradient: Tensor = moments.first,
): AlphaWeights {
  const { first, second, third } = moments;
  expectShape('the moments', first, activations.shape);
  expectShape('the gradient', gradient, activations.shape);
  const { alphaNumerator = 'second', alphaDenominator = 'cell', alphaEpsilon = 0, alphaGuard = 'positive' } = form;
  const { alphaNormalization = 'none' } = form;
  const [maps, height, width] = activations.shape as readonly number[] as [number, number, number];
  const cells = height * width;
  const weights = tensor([maps]);
  const alpha = tensor(activations.shape);
  let alphaZeroCells = 0;
  for (let k = 0; k < maps; k++) {
    const indices = Array.from({ length: cells }, (_, cell) => k * cells + cell);
    const sumOver = (value: (index: number) => number) => indices.reduce((sum, index) => sum + value(index), 0);
    const activationSum = sumOver((index) => activations.data[index]!);
    const productSum = sumOver((index) => activations.data[index]! * third.data[index]!);
    for (const index of indices) {
      const curvature = 2 * second.data[index]!;
      const denominator = {
        cell: curvature + activationSum * third.data[index]! + alphaEpsilon,
        sum: curvature + productSum + alphaEpsilon,
        none: 1 + alphaEpsilon,
      }[alphaDenominator];
      const isUsable = alphaGuard === 'positive' ? denominator > 0 : denominator !== 0;
      if (!Number.isFinite(denominator) || !isUsable) {
        alphaZeroCells++;
        continue;
      }
      alpha.data[index] = (alphaNumerator === 'second' ? second.data[index]! : first.data[index]!) / denominator;
    }
    const slope = (index: number) => Math.max(0, gradient.data[index]!);
    const divisor = {
      none: 1,
      all: sumOver((index) => alpha.data[index]!),
      'positive-gradient': sumOver((index) => (slope(index) > 0 ? alpha.data[index]! : 0)),
    }[alphaNormalization];
    for (const index of indices) alpha.data[index]! /= divisor === 0 ? 1 : divisor;
    weights.data[k] = sumOver((index) => alpha.data[index]! * slope(index));
  }
  return { weights, alpha, alphaZeroCells };
}
