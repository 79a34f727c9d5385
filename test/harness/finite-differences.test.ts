import { expect, it } from 'vitest';
import { batchedDifferences, directionalDerivative, finiteDifferenceGradient } from './finite-differences.ts';

/** f(x) = x0² · x1 + sin x2 */
const f = ([a, b, c]: ArrayLike<number> & Iterable<number>) => a! ** 2 * b! + Math.sin(c!);
const x = [1.5, -2, 0.3];
const gradient = [2 * 1.5 * -2, 1.5 ** 2, Math.cos(0.3)];

it('gives the gradient of a smooth function', () => {
  finiteDifferenceGradient(f, x).forEach((derivative, i) => {
    expect(derivative).toBeCloseTo(gradient[i]!, 8);
  });
});

it('gives the derivative along a direction', () => {
  const expected = gradient[0]! * 2 - gradient[1]! + gradient[2]! * 0.5;
  expect(directionalDerivative(f, x, [2, -1, 0.5])).toBeCloseTo(expected, 8);
  expect(() => directionalDerivative(f, x, [1])).toThrow(RangeError);
});

it('gives the gradient of a batched function of several outputs', async () => {
  // Each sample (a, b, c) ↦ (2a − b, |c|), exact in float32.
  const batched = async (batch: Float32Array, samples: number) =>
    Float32Array.from({ length: 2 * samples }, (_, i) => {
      const [a, b, c] = batch.subarray(3 * (i >> 1));
      return i % 2 === 0 ? 2 * a! - b! : Math.abs(c!);
    });
  const found = await batchedDifferences(batched, Float32Array.of(3, 7, -2), [5, 11], 0.25);
  expect([...found]).toEqual([10, -5, -11]);
});
