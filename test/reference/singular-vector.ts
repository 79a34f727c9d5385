/** The singular value decomposition of the feature maps. */
import { type Tensor, tensor } from './tensor.ts';

export interface FirstSingular {
  /** V, [K], of unit length; 0 where all feature maps are. */
  readonly vector: Tensor;
  /** σ, the largest first. */
  readonly values: Float64Array;
}

/**
 * The first right singular vector of the matrix [cells, K] whose columns are the feature maps, by one-sided Jacobi
 * rotations (Hestenes 1958): pairs of columns are turned until all are orthogonal; their lengths are then the singular
 * values, and what turned them holds the singular vectors. Of V and −V the one with a positive sum.
 *
 * @param activations A, [K, H, W]
 */
export function firstSingularVector(activations: Tensor): FirstSingular {
  const [maps, height, width] = activations.shape as readonly number[] as [number, number, number];
  const cells = height * width;
  const columns = Array.from({ length: maps }, (_, k) => activations.data.slice(k * cells, (k + 1) * cells));
  const turned = Array.from({ length: maps }, (_, k) =>
    Float64Array.from({ length: maps }, (_, l) => (k === l ? 1 : 0)),
  );
  // Of the sum of all σ²: a larger share than rounding has, else pairs that should be zero would turn for ever.
  const negligible = 1e-14 * columns.reduce((sum, column) => sum + dot(column, column), 0);
  let isOrthogonal = false;
  while (!isOrthogonal) {
    isOrthogonal = true;
    for (let k = 0; k < maps; k++) {
      for (let l = k + 1; l < maps; l++) {
        const [a, b, c] = [dot(columns[k]!, columns[k]!), dot(columns[l]!, columns[l]!), dot(columns[k]!, columns[l]!)];
        if (Math.abs(c) <= negligible) continue;
        isOrthogonal = false;
        const zeta = (b - a) / (2 * c);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, tangent);
        rotate(columns[k]!, columns[l]!, cosine, cosine * tangent);
        rotate(turned[k]!, turned[l]!, cosine, cosine * tangent);
      }
    }
  }
  const lengths = columns.map((column) => Math.sqrt(dot(column, column)));
  const values = Float64Array.from(lengths).sort().reverse();
  const first = turned[lengths.indexOf(values[0]!)]!;
  const sign = values[0] === 0 ? 0 : Math.sign(first.reduce((sum, entry) => sum + entry, 0));
  return {
    vector: tensor(
      [maps],
      first.map((entry) => sign * entry),
    ),
    values,
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function rotate(a: Float64Array, b: Float64Array, cosine: number, sine: number): void {
  a.forEach((x, i) => {
    const y = b[i]!;
    a[i] = cosine * x - sine * y;
    b[i] = sine * x + cosine * y;
  });
}
