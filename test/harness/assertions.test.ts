import { describe, expect, it } from 'vitest';
import {
  AssertionError,
  assertAdjoint,
  assertClose,
  assertEqual,
  assertRejects,
  assertSameBits,
  dot,
} from './assertions.ts';

const failure = (work: () => void): string => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AssertionError);
    return (error as Error).message;
  }
  throw new Error('the assertion did not fail');
};

describe('assertClose', () => {
  it('takes differences relative to the largest expected value', () => {
    assertClose([1000.5, 0.5], [1000, 0], { tolerance: 0.5e-3 });
    expect(failure(() => assertClose([1000.6, 0], [1000, 0], { tolerance: 0.5e-3 }))).toContain('1 of 2 elements');
    expect(failure(() => assertClose([1, 0.6], [1, 0], { tolerance: 0.5 }))).toContain('1 of 2 elements');
  });

  it('allows √terms as much for a sum of many terms', () => {
    assertClose([1.3], [1], { tolerance: 0.1, terms: 9.1 });
    failure(() => assertClose([1.3], [1], { tolerance: 0.1, terms: 8.9 }));
  });

  it('allows by default what float32 rounding can do, and no more', () => {
    assertClose(Float32Array.of(0.1, -3.3), [0.1, -3.3]);
    failure(() => assertClose([1 + 2e-6], [1]));
    failure(() => assertClose([1e-30], [0]));
  });

  it('takes the scale that it is given', () => {
    assertClose([0.1], [0], { tolerance: 1e-2, scale: 10 });
    failure(() => assertClose([0.1], [0], { tolerance: 1e-2, scale: 9.9 }));
  });

  it('wants NaN and infinities exactly where they are expected', () => {
    assertClose([Number.NaN, Infinity, -Infinity, 1], [Number.NaN, Infinity, -Infinity, 1]);
    for (const [actual, expected] of [
      [Number.NaN, 1],
      [1, Number.NaN],
      [Infinity, 1],
      [1, Infinity],
      [-Infinity, Infinity],
      [Number.NaN, Infinity],
    ] as const) {
      failure(() => assertClose([5, actual], [5, expected], { tolerance: 100 }));
    }
  });

  it('wants equal lengths, and a shape of that length', () => {
    expect(failure(() => assertClose([1, 2], [1]))).toContain('expected 1 elements, found 2');
    expect(failure(() => assertClose([], [1]))).toContain('expected 1 elements, found 0');
    expect(failure(() => assertClose([1, 2], [1, 2], { shape: [1, 3] }))).toContain('[1,3] has 3 elements');
  });

  it('shows a table around the first wrong element, with its index in every axis', () => {
    const expected = Float64Array.from({ length: 24 }, (_, i) => i);
    const actual = expected.slice();
    actual[17] = 99;
    actual[23] = 98;
    const message = failure(() => assertClose(actual, expected, { what: 'gradInput', shape: [2, 3, 4] }));
    expect(message).toContain('gradInput: 2 of 24 elements are wrong, first at [1, 1, 1], worst difference 82');
    expect(message).toMatch(/^→ +\[1, 1, 1\] +99 +17 +82$/m);
    expect(message).toMatch(/^ +\[1, 0, 2\] +14 +14 +0$/m);
    expect(message).toMatch(/^→ +\[1, 2, 3\] +98 +23 +75$/m);
    expect(message).not.toContain('[1, 0, 1]');
  });
});

describe('assertSameBits', () => {
  it('tells the smallest difference, and 0 from −0', () => {
    assertSameBits(Float32Array.of(1, Number.NaN, -0), Float32Array.of(1, Number.NaN, -0));
    failure(() => assertSameBits(Float32Array.of(1), Float32Array.of(1 + 2 ** -23)));
    failure(() => assertSameBits(Float32Array.of(0), Float32Array.of(-0)));
  });
});

describe('assertAdjoint', () => {
  // A = [[1, 2], [3, 4]]
  const x = [1, -1];
  const y = [2, 5];
  const Ax = [-1, -1];
  const Aty = [17, 24];

  it('holds for a matrix and its transpose', () => {
    expect(dot(Ax, y)).toBe(-7);
    assertAdjoint({ x, y, Ax, Aty });
  });

  it('fails for a matrix and something else', () => {
    expect(failure(() => assertAdjoint({ x, y, Ax, Aty: [12, 26] }))).toContain('⟨Ax, y⟩ = -7 but ⟨x, Aᵀy⟩ = -14');
    failure(() => assertAdjoint({ x, y, Ax, Aty: [17, Number.NaN] }));
    failure(() => assertAdjoint({ x, y, Ax, Aty: [17] }));
  });
});

describe('assertEqual and assertRejects', () => {
  it('compare small values', () => {
    assertEqual([1, 'a'], [1, 'a']);
    expect(failure(() => assertEqual([1, 'a'], [1, 'b'], 'names'))).toBe('names: expected [1,"b"], found [1,"a"]');
  });

  it('want an error of the class and the message', async () => {
    const reject = async () => {
      throw new TypeError('channels must be 3');
    };
    expect(await assertRejects(reject, TypeError, /channels/)).toBeInstanceOf(TypeError);
    await expect(assertRejects(reject, RangeError, /channels/)).rejects.toThrow(AssertionError);
    await expect(assertRejects(reject, TypeError, /pixels/)).rejects.toThrow(AssertionError);
    await expect(assertRejects(async () => 1, TypeError, /channels/)).rejects.toThrow('nothing was thrown');
  });
});
