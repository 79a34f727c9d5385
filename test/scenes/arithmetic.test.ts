import { describe, expect, it } from 'vitest';
import { direction, Random, smoothstep, turnsOf } from '../../src/scenes/arithmetic.ts';

const ANGLES = Array.from({ length: 721 }, (_, i) => (i - 360) / 240);

describe('direction', () => {
  it('is the cosine and sine of an angle in turns', () => {
    for (const turns of ANGLES) {
      const [c, s] = direction(turns);
      expect(Math.abs(c - Math.cos(2 * Math.PI * turns))).toBeLessThan(1e-8);
      expect(Math.abs(s - Math.sin(2 * Math.PI * turns))).toBeLessThan(1e-8);
    }
  });

  it('is exact at quarter turns', () => {
    expect([-0.25, 0, 0.25, 0.5, 0.75, 1].map((turns) => direction(turns).map((v) => v + 0))).toEqual([
      [0, -1],
      [1, 0],
      [0, 1],
      [-1, 0],
      [0, -1],
      [1, 0],
    ]);
  });
});

describe('turnsOf', () => {
  it('is the angle of a point, in 0 … 1', () => {
    for (const turns of ANGLES) {
      for (const radius of [1e-9, 0.3, 1e9]) {
        const found = turnsOf(radius * Math.cos(2 * Math.PI * turns), radius * Math.sin(2 * Math.PI * turns));
        expect(found).toBeGreaterThanOrEqual(0);
        expect(found).toBeLessThan(1);
        const off = Math.abs(found - (turns - Math.floor(turns)));
        expect(Math.min(off, 1 - off)).toBeLessThan(1e-5);
      }
    }
  });

  it('is 0 where there is no angle', () => {
    expect(turnsOf(0, 0)).toBe(0);
  });
});

describe('Random', () => {
  const draws = (seed: number, stream?: number) => {
    const random = new Random(seed, stream);
    return Array.from({ length: 2000 }, () => random.next());
  };

  it('is spread evenly over [0, 1)', () => {
    const numbers = draws(5);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    const mean = numbers.reduce((a, b) => a + b) / numbers.length;
    // Standard error √(1/12/2000) = 0.0065.
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
  });

  it('differs between seeds, also those beyond 32 bits, and between streams', () => {
    const all = [draws(0), draws(1), draws(2 ** 32), draws(Number.MAX_SAFE_INTEGER), draws(0, 1), draws(1, 1)];
    expect(new Set(all.map((numbers) => numbers[0])).size).toBe(all.length);
    for (const [i, a] of all.entries()) {
      for (const b of all.slice(i + 1)) expect(Math.abs(correlation(a, b))).toBeLessThan(0.1);
    }
  });

  it('draws whole numbers from both ends of their range and nothing beyond', () => {
    const random = new Random(1);
    const found = new Set(Array.from({ length: 500 }, () => random.integer(-1, 2)));
    expect([...found].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
  });
});

describe('smoothstep', () => {
  it('goes from 0 to 1', () => {
    expect([1, 2, 3, 4, 5].map((value) => smoothstep(2, 4, value))).toEqual([0, 0, 0.5, 1, 1]);
  });
});

function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (v: readonly number[]) => v.map((x) => x - v.reduce((s, y) => s + y, 0) / v.length);
  const dot = (v: readonly number[], w: readonly number[]) => v.reduce((s, x, i) => s + x * w[i]!, 0);
  const [ca, cb] = [centred(a), centred(b)];
  return dot(ca, cb) / Math.sqrt(dot(ca, ca) * dot(cb, cb));
}
