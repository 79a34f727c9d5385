import { expect, it } from 'vitest';
import { random } from './random.ts';

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

it('gives the same numbers for the same seed, and others for another', () => {
  expect(random(7).normals(5)).toEqual(random(7).normals(5));
  expect(random(7).normals(5)).not.toEqual(random(8).normals(5));
});

it('draws uniforms and whole numbers from their ranges, and normals of variance 1', () => {
  const source = random(1);
  const uniforms = source.uniforms(20_000, -2, 4);
  expect(uniforms.every((value) => value >= -2 && value < 4)).toBe(true);
  expect(mean(uniforms)).toBeCloseTo(1, 1);
  expect(new Set(Array.from({ length: 200 }, () => source.integer(3, 5)))).toEqual(new Set([3, 4, 5]));
  const normals = source.normals(20_000);
  expect(mean(normals)).toBeCloseTo(0, 1);
  expect(mean(normals.map((value) => value ** 2))).toBeCloseTo(1, 1);
});
