/**
 * The derivatives of a score Y averaged over the samples. For Y = exp(S_c), in a piecewise-linear network, they are exactly
 * D_p = e^S · g^p for p = 1, 2, 3 (Chattopadhay et al. 2018), with g = ∂S_c/∂A.
 */
import { classMoments, keptClasses } from './class-moments.ts';
import { softmax } from './softmax.ts';
import { expectShape, slice, stack, type Tensor, tensor } from './tensor.ts';

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

/** Y, the function of the logits whose derivatives are taken. */
export type Score = 'exp' | 'logit' | 'sigmoid' | 'softmax' | 'log-softmax';

/**
 * D_p = Σ_m ω_m · ∂^p Y / ∂A^p / n of any score, in a piecewise-linear network.
 *
 * @param gradients of all logits, [n, classes, K, H, W]
 * @param logits [n, classes]
 * @param weights ω, with which exp, whose own e^S they stand for, is averaged; the other scores' derivatives are as they are
 * @param maxDroppedShare see keptClasses()
 */
export function scoreMoments(
  score: Score,
  classIndex: number,
  gradients: Tensor,
  logits: Tensor,
  weights: readonly number[],
  maxDroppedShare: number,
): Moments {
  const [count, , ...shape] = gradients.shape as readonly number[] as [number, number, ...number[]];
  const sums = { first: tensor(shape), second: tensor(shape), third: tensor(shape) };
  for (let m = 0; m < count; m++) {
    const ofSample = slice(gradients, m);
    const g = slice(ofSample, classIndex).data;
    const s = slice(logits, m).data;
    const probabilities = softmax(stack([slice(logits, m)])).data;
    const p = probabilities[classIndex]!;
    const kept = keptClasses(probabilities, maxDroppedShare);
    const { mean, second, third } = classMoments(ofSample, probabilities, kept);
    for (let cell = 0; cell < g.length; cell++) {
      const u = g[cell]! - mean.data[cell]!;
      const [v, m3] = [second.data[cell]!, third.data[cell]!];
      const [d1, d2, d3] = derivativesOf(score, {
        g: g[cell]!,
        logit: s[classIndex]!,
        weight: weights[m]!,
        p,
        u,
        v,
        m3,
      });
      sums.first.data[cell]! += d1 / count;
      sums.second.data[cell]! += d2 / count;
      sums.third.data[cell]! += d3 / count;
    }
  }
  return sums;
}

function derivativesOf(
  score: Score,
  { g, logit, weight, p, u, v, m3 }: Readonly<Record<'g' | 'logit' | 'weight' | 'p' | 'u' | 'v' | 'm3', number>>,
): [number, number, number] {
  switch (score) {
    case 'exp':
      return [weight * g, weight * g ** 2, weight * g ** 3];
    case 'logit':
      return [g, 0, 0];
    case 'sigmoid': {
      const s = 1 / (1 + Math.exp(-logit));
      // 1 − s as a difference would be 0 from S = 37 on.
      const rest = 1 / (1 + Math.exp(logit));
      return [s * rest * g, s * rest * (1 - 2 * s) * g ** 2, s * rest * (1 - 6 * s + 6 * s ** 2) * g ** 3];
    }
    case 'softmax':
      return [p * u, p * (u ** 2 - v), p * (u ** 3 - 3 * u * v - m3)];
    case 'log-softmax':
      return [u, -v, -m3];
  }
}
