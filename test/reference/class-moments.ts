/** The spread of the classes' gradients, each class counting by its softmax probability. */
import { type Tensor, tensor } from './tensor.ts';

export interface ClassMoments {
  /** ḡ = Σ_j p_j g_j */
  readonly mean: Tensor;
  /** v = Σ_j p_j (g_j − ḡ)² */
  readonly second: Tensor;
  /** m3 = Σ_j p_j (g_j − ḡ)³ */
  readonly third: Tensor;
}

/**
 * @param gradients g_j of every class, [classes, …]
 * @param probabilities p_j, [classes]
 * @param kept classes that the sums of v and m3 run over; ḡ is that of all. Default: all
 */
export function classMoments(
  gradients: Tensor,
  probabilities: ArrayLike<number>,
  kept: readonly number[] = Array.from(probabilities, (_, j) => j),
): ClassMoments {
  const [classes, ...shape] = gradients.shape as readonly number[] as [number, ...number[]];
  const [mean, second, third] = [tensor(shape), tensor(shape), tensor(shape)];
  const cells = mean.data.length;
  for (let cell = 0; cell < cells; cell++) {
    const g = (j: number) => gradients.data[j * cells + cell]!;
    for (let j = 0; j < classes; j++) mean.data[cell]! += probabilities[j]! * g(j);
    for (const j of kept) {
      second.data[cell]! += probabilities[j]! * (g(j) - mean.data[cell]!) ** 2;
      third.data[cell]! += probabilities[j]! * (g(j) - mean.data[cell]!) ** 3;
    }
  }
  return { mean, second, third };
}

/**
 * The most probable classes, so many that the others' probabilities sum to at most `maxDroppedShare` of what all but the
 * most probable one have; of equal ones the first.
 */
export function keptClasses(probabilities: ArrayLike<number>, maxDroppedShare: number): number[] {
  const p = Array.from(probabilities);
  const ranked = p.map((_, j) => j).sort((a, b) => p[b]! - p[a]! || a - b);
  const massFrom = (rank: number) => ranked.slice(rank).reduce((sum, j) => sum + p[j]!, 0);
  const allowed = maxDroppedShare * massFrom(1);
  const count = ranked.findIndex((_, rank) => rank > 0 && massFrom(rank) <= allowed);
  return count < 0 ? ranked : ranked.slice(0, count);
}
