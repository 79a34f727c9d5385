import { expect, it } from 'vitest';
import { rankCorrelation } from './rank-correlation.ts';

it('depends on the order alone', () => {
  expect(rankCorrelation([1, 2, 3, 4], [0.1, 5, 6, 1e9])).toBe(1);
  expect(rankCorrelation([1, 2, 3, 4], [9, 3, 2, -7])).toBe(-1);
});

it('of two places that are swapped is 1 - 6 Σ d² / (n³ - n)', () => {
  expect(rankCorrelation([1, 2, 3, 4, 5], [10, 20, 40, 30, 50])).toBeCloseTo(1 - (6 * 2) / 120, 12);
});

it('gives equal numbers one rank', () => {
  // Ranks 0.5, 0.5, 2 against 0, 1, 2.
  expect(rankCorrelation([7, 7, 8], [1, 2, 3])).toBeCloseTo(1.5 / Math.sqrt(1.5 * 2), 12);
});

it('needs as many numbers on both sides', () => {
  expect(() => rankCorrelation([1], [1, 2])).toThrow('1 numbers against 2');
});
