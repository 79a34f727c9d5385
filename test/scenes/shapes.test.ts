import { describe, expect, it } from 'vitest';
import { Random } from '../../src/scenes/arithmetic.ts';
import { annulus, box, capsule, disc, intersection, polygon, SHAPES, union } from '../../src/scenes/shapes.ts';

/** Points of a lattice on [-1.5, 1.5]². */
const POINTS = Array.from({ length: 121 * 121 }, (_, i) => [(i % 121) / 40 - 1.5, Math.floor(i / 121) / 40 - 1.5]);

describe('signed distances', () => {
  it('to a disc and an annulus', () => {
    expect(disc(1, 0, 2)(1, 0)).toBe(-2);
    expect(disc(1, 0, 2)(4, 4)).toBe(3);
    expect(annulus(0, 0, 5, 1)(3, 4)).toBe(-1);
    expect(annulus(0, 0, 5, 1)(0, 0)).toBe(4);
  });

  it('to a box: beside it, off its corner, inside', () => {
    const distance = box(1, 1, 2, 1);
    expect(distance(5, 1)).toBe(2);
    expect(distance(6, 6)).toBe(5);
    expect(distance(1, 1)).toBe(-1);
  });

  it('to a thick line, and to one of no length', () => {
    const distance = capsule([0, 0], [4, 0], 1);
    expect([distance(2, 3), distance(-3, 4), distance(1, 0)]).toEqual([2, 4, -1]);
    expect(capsule([1, 1], [1, 1], 0.5)(4, 5)).toBe(4.5);
  });

  it('to a polygon, the notch of a concave one being outside', () => {
    const distance = polygon([
      [0, 0],
      [4, 0],
      [4, 4],
      [2, 1],
      [0, 4],
    ]);
    expect(distance(2, -3)).toBe(3);
    expect(distance(2, 0.25)).toBe(-0.25);
    expect(distance(2, 3)).toBeGreaterThan(0);
    expect(distance(0.5, 1)).toBe(-0.5);
  });

  it('to a polygon agree with those to the same box', () => {
    const corners = [
      [-0.5, -0.3],
      [0.7, -0.3],
      [0.7, 0.9],
      [-0.5, 0.9],
    ] as const;
    const [asPolygon, asBox] = [polygon(corners), box(0.1, 0.3, 0.6, 0.6)];
    for (const [x, y] of POINTS) expect(asPolygon(x!, y!)).toBeCloseTo(asBox(x!, y!), 12);
  });

  it('of parts taken together and of what they share', () => {
    const [a, b] = [disc(-1, 0, 2), disc(1, 0, 2)];
    expect(union(a, b)(3.5, 0)).toBe(0.5);
    expect(intersection(a, b)(1.5, 0)).toBe(0.5);
  });
});

describe.each(Object.entries(SHAPES))('%s', (_name, { make }) => {
  const shapes = Array.from({ length: 20 }, (_, seed) => make(new Random(seed)));

  it('fills the unit disc to its edge and not beyond', () => {
    for (const { outline } of shapes) {
      const inside = POINTS.filter(([x, y]) => outline(x!, y!) < 0);
      const radius = Math.max(...inside.map(([x, y]) => Math.hypot(x!, y!)));
      expect(radius).toBeLessThanOrEqual(1.02);
      expect(radius).toBeGreaterThan(0.93);
      expect(inside.length / POINTS.length).toBeGreaterThan(0.03);
    }
  });

  it('differs from one object to the next', () => {
    const numbers = shapes.map(({ outline }) => POINTS.reduce((sum, [x, y]) => sum + outline(x!, y!), 0));
    expect(new Set(numbers).size).toBeGreaterThan(10);
  });

  it('has its accents on itself', () => {
    for (const { outline, accent } of shapes) {
      if (!accent) continue;
      const painted = POINTS.filter(([x, y]) => accent(x!, y!) < 0 && outline(x!, y!) < 0);
      expect(painted.length).toBeGreaterThan(10);
    }
  });
});
