/**
 * The derivatives of Y = exp(S_c) averaged over the samples. In a piecewise-linear network they are exactly
 * D_p = e^S · g^p for p = 1, 2, 3 (Chattopadhay et al. 2018), with g = ∂S_c/∂A.
 */
import { expectShape, type Tensor, tensor } from './tensor.ts';

export interface Moments {
  /** D1, D2 and D3, each [K, H, W]. */
  readonly first: Tensor;
  readonly second: Tensor;
  readonly third: Tensor;
}

/**
 * ω of each sample: 1, the common factor e^S dropped ('uniform'), or e^(S_m − max S), the literal average ('score').
 *
 * @param logits S_c of each sample
 */
export function sampleWeights(kind: 'uniform' | 'score', logits: ArrayLike<number>): number[] {
  const scores = Array.from(logits);
  if (kind === 'uniform') return scores.map(() => 1);
  const largest = Math.max(...scores);
  return scores.map((logit) => Math.exp(logit - largest));
}

/**
 * D_p = Σ_m ω_m · g_m^p / n
 *
 * @param gradients g, [n, K, H, W]
 * @param weights ω, n of them
 */
export function moments(gradients: Tensor, weights: readonly number[]): Moments {
  const [count, ...shape] = gradients.shape as readonly number[] as [number, ...number[]];
  expectShape('the sample weights', tensor([weights.length]), [count]);
  const first = tensor(shape);
  const second = tensor(shape);
  const third = tensor(shape);
  const cells = first.data.length;
  for (let m = 0; m < count; m++) {
    for (let cell = 0; cell < cells; cell++) {
      const g = gradients.data[m * cells + cell]!;
      first.data[cell]! += (weights[m]! * g) / count;
      second.data[cell]! += (weights[m]! * g ** 2) / count;
      third.data[cell]! += (weights[m]! * g ** 3) / count;
    }
  }
  return { first, second, third };
}
