/** Derivatives by central differences, to check exact ones against. */

/**
 * The derivative of `f` at `x` along `direction`: (f(x + h·d) − f(x − h·d)) / 2h.
 *
 * @param step h. In float64 the cube root of its epsilon, 6e-6 times the size of x, is about best. A function with
 *   kinks (ReLU, max-pool) is exact at any step that crosses none.
 */
export function directionalDerivative(
  f: (x: Float64Array) => number,
  x: ArrayLike<number>,
  direction: ArrayLike<number>,
  step = 6e-6,
): number {
  if (x.length !== direction.length) {
    throw new RangeError(`a point of ${x.length} elements has no direction of ${direction.length} elements`);
  }
  const along = (h: number) => f(Float64Array.from(x, (value, i) => value + h * direction[i]!));
  return (along(step) - along(-step)) / (2 * step);
}

/** The whole gradient, two calls of `f` for every element of `x`. */
export function finiteDifferenceGradient(
  f: (x: Float64Array) => number,
  x: ArrayLike<number>,
  step?: number,
): Float64Array {
  return Float64Array.from(x, (_, index) => {
    const axis = new Float64Array(x.length);
    axis[index] = 1;
    return directionalDerivative(f, x, axis, step);
  });
}
