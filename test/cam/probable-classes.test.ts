import { describe, expect, it } from 'vitest';
import { probableClasses } from '../../src/cam/probable-classes.ts';
import { random } from '../harness/random.ts';
import { keptClasses } from '../reference/class-moments.ts';
import { softmax } from '../reference/softmax.ts';
import { tensor } from '../reference/tensor.ts';

describe('probable classes', () => {
  it('are the oracle’s, with their softmax among all classes', () => {
    for (const [seed, spread] of [
      [1, 0.01],
      [2, 1],
      [3, 8],
      [4, 40],
    ] as const) {
      const logits = random(seed)
        .normals(200)
        .map((value) => value * spread);
      const p = softmax(tensor([1, 200], logits)).data;
      for (const share of [0, 1e-3, 0.1, 0.9]) {
        const found = probableClasses(logits, share);
        expect(found.classes).toEqual(keptClasses(p, share));
        found.probabilities.forEach((value, rank) => {
          const expected = p[found.classes[rank]!]!;
          expect(Math.abs(value - expected)).toBeLessThan(1e-14 * expected + Number.MIN_VALUE);
        });
        const dropped = p.reduce((sum, value, j) => (found.classes.includes(j) ? sum : sum + value), 0);
        expect(Math.abs(found.droppedMass - dropped)).toBeLessThan(1e-14);
      }
    }
  });

  it('include the others where the first is nearly sure: they make up the spread', () => {
    const logits = Float32Array.of(30, 0, 0.5, -1);
    const { classes, droppedMass } = probableClasses(logits, 1e-3);
    expect(classes).toEqual([0, 2, 1, 3]);
    expect(droppedMass).toBe(0);
    expect(probableClasses(logits, 0.2).droppedMass).toBeGreaterThan(0);
  });

  it('of equal logits are in order, and one class is enough for one', () => {
    expect(probableClasses(new Float32Array(4), 0).classes).toEqual([0, 1, 2, 3]);
    expect(probableClasses(Float32Array.of(7), 0)).toEqual({ classes: [0], probabilities: [1], droppedMass: 0 });
  });

  it('are none where a logit is not finite', () => {
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const none = { classes: [], probabilities: [], droppedMass: 0 };
      expect(probableClasses(Float32Array.of(1, broken, 2), 0.1)).toEqual(none);
    }
  });
});
