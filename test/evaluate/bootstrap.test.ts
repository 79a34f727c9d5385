import { describe, expect, it } from 'vitest';
import { bootstrap, normalProbability, normalQuantile } from '../../src/evaluate/bootstrap.ts';
import { derivedSeed } from '../../src/evaluate/seeds.ts';

/** Uniform numbers in (0, 1) from a linear congruential generator (Knuth's MMIX), another than the bootstrap's own. */
function uniformNumbers(seed: number): () => number {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return (Number(state >> 32n) + 0.5) / 2 ** 32;
  };
}

function meanOf(values: ArrayLike<number>) {
  return (counts: Float64Array) => {
    let [sum, total] = [0, 0];
    for (let i = 0; i < counts.length; i++) {
      sum += counts[i]! * values[i]!;
      total += counts[i]!;
    }
    return sum / total;
  };
}

describe('the interval of a mean', () => {
  it.each([
    ['normal', (u: number, v: number) => Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v), 0],
    ['exponential', (u: number) => -Math.log(u), 1],
    ['of a coin that falls on its head in 4 of 5', (u: number) => (u < 0.8 ? 1 : 0), 0.8],
  ])(
    'covers the true one about 95 times of 100: %s',
    (_, draw, truth) => {
      const trials = 600;
      const random = uniformNumbers(7);
      const missed = { below: 0, above: 0 };
      for (let trial = 0; trial < trials; trial++) {
        const values = Float64Array.from({ length: 60 }, () => draw(random(), random()));
        const mean = meanOf(values);
        const [estimate] = bootstrap(60, (counts) => [mean(counts)], { seed: trial, resamples: 400 });
        const { low, high } = estimate!;
        if (high < truth) missed.below++;
        if (low > truth) missed.above++;
      }
      // Twice the binomial's standard error of 0.9 % around 95 %, and one per cent that the method itself may lack.
      const coverage = 1 - (missed.below + missed.above) / trials;
      expect(coverage).toBeGreaterThan(0.92);
      expect(coverage).toBeLessThan(0.975);
      expect(Math.max(missed.below, missed.above) / trials).toBeLessThan(0.055);
    },
    120_000,
  );
});

it('agrees with a published BCa interval', () => {
  // Efron and Tibshirani 1993, tables 14.1 and 14.2: variance of 26 children's scores, 90 % interval (115.8, 259.6).
  const scores = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41];
  const mean = meanOf(scores);
  const meanSquare = meanOf(scores.map((score) => score * score));
  const variance = (counts: Float64Array) => [meanSquare(counts) - mean(counts) ** 2];
  const [estimate] = bootstrap(26, variance, { seed: 1, resamples: 20_000, level: 0.9 });
  expect(estimate!.value).toBeCloseTo(171.5, 1);
  expect(estimate!.low).toBeCloseTo(115.8, -1);
  expect(estimate!.high).toBeCloseTo(259.6, -1);
});

describe('the same seed', () => {
  const random = uniformNumbers(3);
  const values = Array.from({ length: 700 }, random);
  const mean = meanOf(values);
  const run = (seed: number) => bootstrap(700, (counts) => [mean(counts), 1 - mean(counts)], { seed, resamples: 200 });

  it('gives the same numbers', () => expect(run(5)).toEqual(run(5)));

  it.each([6, 5 + 2 ** 32])('and another, %i, gives others', (seed) => {
    expect(run(seed)[0]!.value).toBe(run(5)[0]!.value);
    expect(run(seed)[0]!.low).not.toBe(run(5)[0]!.low);
  });

  it('mirrors the interval of a mirrored statistic: all statistics see the same resamples', () => {
    const [straight, mirrored] = run(5);
    expect(mirrored!.low).toBeCloseTo(1 - straight!.high, 6);
    expect(mirrored!.high).toBeCloseTo(1 - straight!.low, 6);
  });
});

describe('an interval of no width', () => {
  it.each([
    ['a single unit', [0.4]],
    ['units that are all alike', [1, 1, 1, 1, 1]],
  ])('comes from %s', (_, values) => {
    const mean = meanOf(values);
    const [estimate] = bootstrap(values.length, (counts) => [mean(counts)], { seed: 0 });
    expect(estimate).toEqual({ value: values[0], low: values[0], high: values[0] });
  });
});

describe('the normal distribution', () => {
  it.each([
    [0, 0.5],
    [1, 0.8413447461],
    [1.959963985, 0.975],
    [-1.644853627, 0.05],
    [-3.090232306, 0.001],
  ])('Φ(%f) = %f, and back', (z, p) => {
    expect(normalProbability(z)).toBeCloseTo(p, 6);
    expect(normalQuantile(p)).toBeCloseTo(z, 7);
  });
});

it('derived seeds are the same every time, different for each name and seed, and within what seeds may be', () => {
  const seeds = [0, 1, 2 ** 40].flatMap((seed) =>
    Array.from({ length: 3000 }, (_, i) => derivedSeed(seed, `scene ${i}`)),
  );
  expect(new Set(seeds).size).toBe(9000);
  expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
  expect(Math.max(...seeds)).toBeGreaterThan(0.999 * 2 ** 53);
  expect(derivedSeed(1, 'scene 0')).toBe(2393781667293430);
});
