/** Derivatives by central differences, to check exact ones against. */
import { dot } from './assertions.ts';

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

/**
 * The gradient of ⟨f(x), y⟩, all differences as samples of one batch. With values and a step that float32 holds exactly,
 * and no kink within a step of x, it is the exact gradient of a piecewise-linear f.
 *
 * @param f takes `samples` copies of x, one after the other, and gives as many outputs
 */
export async function batchedDifferences(
  f: (batch: Float32Array, samples: number) => Promise<Float32Array>,
  x: Float32Array,
  y: ArrayLike<number>,
  step: number,
): Promise<Float64Array> {
  const samples = 2 * x.length;
  const batch = new Float32Array(samples * x.length);
  for (let sample = 0; sample < samples; sample++) {
    batch.set(x, sample * x.length);
    batch[sample * x.length + (sample >> 1)] += sample % 2 === 0 ? step : -step;
  }
  const outputs = await f(batch, samples);
  const product = (sample: number) => dot(outputs.subarray(sample * y.length, (sample + 1) * y.length), y);
  return Float64Array.from(x, (_, i) => (product(2 * i) - product(2 * i + 1)) / (2 * step));
}
