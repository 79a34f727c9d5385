/** Which classes a sum over all classes can do with: the gradient of each costs a way back through the network. */

export interface ProbableClasses {
  /** The most probable first, of equal ones the first. */
  readonly classes: readonly number[];
  /** Their softmax, among all classes. */
  readonly probabilities: readonly number[];
  /** What the others' probabilities sum to. */
  readonly droppedMass: number;
}

/**
 * The fewest classes such that the others' probabilities sum to at most `maxDroppedShare` of what all classes but the most
 * probable one have. A share of all would not do: where the first class has 0.9995, the others decide how the classes' gradients
 * differ, and would be what is dropped.
 *
 * @param logits of one sample; where one is not finite there is nothing to rank, and nothing is kept
 * @param maxDroppedShare at least 0 and below 1
 */
export function probableClasses(logits: Float32Array, maxDroppedShare: number): ProbableClasses {
  if (!logits.every(Number.isFinite)) return { classes: [], probabilities: [], droppedMass: 0 };
  const order = Array.from(logits, (_, j) => j).sort((a, b) => logits[b] - logits[a] || a - b);
  const sizes = order.map((j) => Math.exp(logits[j] - logits[order[0]]));
  // From the smallest: mass[rank] is that of the classes from there on.
  const mass = new Float64Array(order.length + 1);
  for (let rank = order.length - 1; rank >= 0; rank--) mass[rank] = mass[rank + 1] + sizes[rank];
  const allowed = maxDroppedShare * mass[1];
  const count = mass.findIndex((rest, rank) => rank > 0 && rest <= allowed);
  return {
    classes: order.slice(0, count),
    probabilities: sizes.slice(0, count).map((size) => size / mass[0]),
    droppedMass: mass[count] / mass[0],
  };
}
