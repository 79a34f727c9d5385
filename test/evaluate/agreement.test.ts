import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { agreementOf } from '../../src/evaluate/agreement.ts';
import { random } from '../harness/random.ts';
import { rankCorrelation } from '../harness/rank-correlation.ts';

const maps = (shape: readonly [number, number, number], values: ArrayLike<number>) => ({
  data: Float32Array.from(values),
  shape,
});
const row = (...values: number[]) => maps([1, 1, values.length], values);

describe('agreementOf', () => {
  it('is whole for a map and a multiple of it', () => {
    expect(agreementOf(row(0, 1, 2, 4), row(0, 8, 16, 32))).toEqual([
      { maxDifference: 0, rankCorrelation: 1, overlap: 1 },
    ]);
  });

  it('has the largest difference of the maps’ shares of their maximum', () => {
    expect(agreementOf(row(0, 1, 4), row(10, 2, 5))[0]!.maxDifference).toBe(1);
    expect(agreementOf(row(0, 1, 4), row(1, 2, 10))[0]!.maxDifference).toBeCloseTo(0.1, 7);
  });

  it('has the share of the cells of at least half the maximum that both have', () => {
    expect(agreementOf(row(4, 2, 1, 0), row(0, 5, 10, 4.9))[0]!.overlap).toBe(1 / 3);
    expect(agreementOf(row(4, 0), row(0, 4))[0]!.overlap).toBe(0);
  });

  it('has Spearman’s rank correlation, with equal values', () => {
    expect(agreementOf(row(0, 1, 2, 3), row(9, 8, 1, 0))[0]!.rankCorrelation).toBe(-1);
    const draw = random(5);
    for (const levels of [4, 1000]) {
      const [a, b] = [0, 1].map(() => Array.from({ length: 196 }, () => draw.integer(0, levels)));
      const expected = rankCorrelation(a!, b!);
      expect(agreementOf(maps([1, 14, 14], a!), maps([1, 14, 14], b!))[0]!.rankCorrelation).toBeCloseTo(expected, 12);
    }
  });

  it('is silent of what a map without a value above zero has not', () => {
    expect(agreementOf(row(0, 0, 0), row(0, 2, 1))).toEqual([
      { maxDifference: 1, rankCorrelation: undefined, overlap: 0 },
    ]);
    expect(agreementOf(row(0, 0), row(0, 0))).toEqual([
      { maxDifference: 0, rankCorrelation: undefined, overlap: undefined },
    ]);
  });

  it('compares map by map, at the larger size', () => {
    const [first, second] = agreementOf(
      maps([2, 1, 2], [0, 1, 1, 0]),
      maps([2, 2, 4], [0, 0.25, 0.75, 1, 0, 0.25, 0.75, 1, 0, 0, 1, 1, 0, 0, 1, 1]),
    );
    expect(first).toEqual({ maxDifference: 0, rankCorrelation: expect.closeTo(1, 12), overlap: 1 });
    expect(second).toMatchObject({ maxDifference: 1, overlap: 0 });
  });

  it('refuses unequal numbers of maps', () => {
    expect(() => agreementOf(maps([2, 1, 1], [1, 1]), row(1))).toThrow(OptionError);
  });
});
