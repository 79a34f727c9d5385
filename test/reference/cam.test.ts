/** From gradients to the map: moments, α and weights, map, upsampling, the mean over the samples. */
import { describe, expect, it } from 'vitest';
import { assertClose, dot } from '../harness/assertions.ts';
import { directionalDerivative } from '../harness/finite-differences.ts';
import { random } from '../harness/random.ts';
import { explanationMap, subsetMask } from './map.ts';
import { moments, sampleWeights } from './moments.ts';
import { sampleMean } from './sample-mean.ts';
import { firstSingularVector } from './singular-vector.ts';
import { slice, tensor } from './tensor.ts';
import { upsample } from './upsample.ts';
import { alphaWeights, gradCamWeights, xGradCamWeights } from './weights.ts';

const FLOAT64 = { tolerance: 1e-13 };

describe('moments', () => {
  it('are the means of the powers of the gradient', () => {
    const d = moments(tensor([2, 1, 1, 2], [1, -2, 3, 0]), [1, 1]);
    expect([...d.first.data]).toEqual([2, -1]);
    expect([...d.second.data]).toEqual([5, 2]);
    expect([...d.third.data]).toEqual([14, -4]);
    expect(d.first.shape).toEqual([1, 1, 2]);
  });

  it('weigh the samples by their score, relative to the best', () => {
    const weights = sampleWeights('score', [1, 1 + Math.log(4)]);
    assertClose(weights, [0.25, 1], FLOAT64);
    const d = moments(tensor([2, 1, 1, 1], [4, -2]), weights);
    assertClose(
      [d.first, d.second, d.third].map((t) => t.data[0]!),
      [-0.5, 4, 4],
      FLOAT64,
    );
    expect(sampleWeights('uniform', [3, 900])).toEqual([1, 1]);
    expect(sampleWeights('score', [2000, 1000])).toEqual([1, 0]);
  });

  it('are the first three derivatives of exp(S), where S is linear in A', () => {
    // Y(a) = exp(s + g·a) at a = 0; the derivatives by differences of the derivative below, starting from Y itself.
    const [s, g] = [0.4, -0.7];
    const derivatives: ((a: Float64Array) => number)[] = [([a]) => Math.exp(s + g * a!)];
    for (let p = 0; p < 3; p++) {
      const below = derivatives[p]!;
      derivatives.push((a) => directionalDerivative(below, a, [1], 5e-3));
    }
    const d = moments(tensor([1, 1, 1, 1], [g]), [Math.exp(s)]);
    [d.first, d.second, d.third].forEach((moment, p) => {
      expect(moment.data[0]).toBeCloseTo(derivatives[p + 1]!(Float64Array.of(0)), 4);
    });
  });
});

describe('weights', () => {
  it('of Grad-CAM are the mean gradient of each map', () => {
    expect([...gradCamWeights(tensor([2, 1, 3], [1, 2, 6, -1, 0, -2])).data]).toEqual([3, -1]);
  });

  it('of XGrad-CAM are the mean gradient by shares of the map, 0 for a map that is zero', () => {
    const gradient = tensor([3, 1, 3], [1, 2, 6, -1, 0, -2, 5, 5, 5]);
    const activations = tensor([3, 1, 3], [1, 1, 2, 4, 0, 0, 0, 0, 0]);
    expect([...xGradCamWeights(gradient, activations).data]).toEqual([15 / 4, -1, 0]);
  });

  it('of one sample are Σ g / (2 + G·g) over the positive gradients', () => {
    const source = random(6);
    const activations = tensor([3, 2, 2], source.uniforms(12));
    const gradient = tensor([1, 3, 2, 2], source.uniforms(12, 0.01, 1));
    const { weights, alpha, alphaZeroCells } = alphaWeights(moments(gradient, [1]), activations);
    for (let k = 0; k < 3; k++) {
      const cells = [0, 1, 2, 3].map((cell) => k * 4 + cell);
      const sum = cells.reduce((total, index) => total + activations.data[index]!, 0);
      const expected = cells.map((index) => 1 / (2 + sum * gradient.data[index]!));
      assertClose(alpha.data.subarray(k * 4, k * 4 + 4), expected, FLOAT64);
      const weight = cells.reduce((total, index, i) => total + expected[i]! * gradient.data[index]!, 0);
      expect(weights.data[k]).toBeCloseTo(weight, 12);
    }
    expect(alphaZeroCells).toBe(0);
  });

  it('set α to zero, and count it, where the denominator is not a positive finite number', () => {
    // G = 10. Per cell, 2·D2 + G·D3 is 2 + 10, 2 − 20, 0, −10 + 10·1 = 0 and infinite.
    const d = {
      first: tensor([1, 1, 5], [3, 3, 0, 3, 3]),
      second: tensor([1, 1, 5], [1, 1, 0, -5, Infinity]),
      third: tensor([1, 1, 5], [1, -2, 0, 1, 0]),
    };
    const activations = tensor([1, 1, 5], [10, 0, 0, 0, 0]);
    const second = alphaWeights(d, activations);
    assertClose(second.alpha.data, [1 / 12, 0, 0, 0, 0], FLOAT64);
    expect(second.alphaZeroCells).toBe(4);
    assertClose(second.weights.data, [3 / 12], FLOAT64);
    assertClose(alphaWeights(d, activations, { alphaNumerator: 'first' }).alpha.data, [3 / 12, 0, 0, 0, 0], FLOAT64);
  });

  it('leave out cells whose first derivative is negative', () => {
    const d = moments(tensor([1, 1, 1, 2], [-1, 2]), [1]);
    const activations = tensor([1, 1, 2], [0.25, 0.25]);
    const { weights, alpha } = alphaWeights(d, activations);
    assertClose(alpha.data, [1 / (2 - 0.5), 1 / (2 + 1)], FLOAT64);
    assertClose(weights.data, [2 / 3], FLOAT64);
  });
});

describe('weights by the conventions of other programs', () => {
  // G = 2, Σ A·D3 = 1 − 8 = −7. Per cell, 2·D2 + G·D3 is 2 + 2, 8 − 16 and 0; 2·D2 + Σ A·D3 is −5, 1 and −7.
  const d = moments(tensor([1, 1, 1, 3], [1, -2, 0]), [1]);
  const activations = tensor([1, 1, 3], [1, 1, 0]);
  const ofForm = (form: Parameters<typeof alphaWeights>[2], gradient?: ReturnType<typeof tensor>) => {
    const { weights, alpha, alphaZeroCells } = alphaWeights(d, activations, form, gradient);
    return [...alpha.data, alphaZeroCells, weights.data[0]];
  };

  it.each([
    ['papers', {}, [1 / 4, 0, 0, 2, 1 / 4]],
    ['negative denominators', { alphaGuard: 'nonzero' }, [1 / 4, -1 / 2, 0, 1, 1 / 4]],
    ['one sum for a map', { alphaDenominator: 'sum' }, [0, 4, 0, 2, 0]],
    ['one sum for a map, of any sign', { alphaDenominator: 'sum', alphaGuard: 'nonzero' }, [-1 / 5, 4, 0, 0, -1 / 5]],
    ['no denominator', { alphaDenominator: 'none' }, [1, 4, 0, 0, 1]],
    ['ε', { alphaEpsilon: 1 }, [1 / 5, 0, 0, 1, 1 / 5]],
    ['a share of all', { alphaGuard: 'nonzero', alphaNormalization: 'all' }, [-1, 2, 0, 1, -1]],
    [
      'a share of those with a positive gradient',
      { alphaGuard: 'nonzero', alphaNormalization: 'positive-gradient' },
      [1, -2, 0, 1, 1],
    ],
  ] as const)('%s', (_, form, expected) => {
    assertClose(ofForm(form), expected, FLOAT64);
  });

  it('another gradient behind α', () => {
    assertClose(ofForm({}, tensor([1, 1, 3], [10, 1, 1])), [1 / 4, 0, 0, 2, 10 / 4], FLOAT64);
  });

  it('do not divide by a sum of zero', () => {
    const zero = moments(tensor([1, 1, 1, 3]), [1]);
    const { weights } = alphaWeights(zero, activations, { alphaNormalization: 'all' });
    expect([...weights.data]).toEqual([0]);
  });
});

describe('firstSingularVector', () => {
  it('is an eigenvector of the Gram matrix, for its largest eigenvalue', () => {
    const activations = tensor([4, 2, 5], random(9).uniforms(40));
    const { vector, values } = firstSingularVector(activations);
    const map = (k: number) => activations.data.subarray(10 * k, 10 * k + 10);
    const gram = [0, 1, 2, 3].map((k) => [0, 1, 2, 3].map((l) => dot(map(k), map(l))));
    assertClose(
      gram.map((row) => dot(row, vector.data)),
      vector.data.map((entry) => values[0]! ** 2 * entry),
      FLOAT64,
    );
    expect(dot(vector.data, vector.data)).toBeCloseTo(1, 13);
    // The squares of all singular values add up to the trace.
    const trace = gram.reduce((sum, row, k) => sum + row[k]!, 0);
    expect(values.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(trace, 10);
    expect([...values]).toEqual([...values].sort((a, b) => b - a));
    expect(vector.data.every((entry) => entry > 0)).toBe(true);
  });

  it('is known for maps that are multiples of one, and zero for maps that are', () => {
    assertClose(firstSingularVector(tensor([2, 1, 3], [3, 0, 6, 4, 0, 8])).vector.data, [0.6, 0.8], FLOAT64);
    expect([...firstSingularVector(tensor([2, 1, 3])).vector.data]).toEqual([0, 0]);
  });
});

describe('subsetMask', () => {
  it('is everything, a box between two corners in any order, or single cells', () => {
    const mask = (options: Parameters<typeof subsetMask>[1]) => [...subsetMask([2, 3], options).data];
    expect(mask({})).toEqual([1, 1, 1, 1, 1, 1]);
    const box = [0, 1, 1, 0, 1, 1];
    for (const subset of [
      [
        [0, 1],
        [1, 2],
      ],
      [
        [1, 2],
        [0, 1],
      ],
      [
        [0, 2],
        [1, 1],
      ],
    ] as [number, number][][]) {
      expect(mask({ region: true, subset })).toEqual(box);
    }
    expect(
      mask({
        subset: [
          [0, 1],
          [1, 2],
          [0, 1],
        ],
      }),
    ).toEqual([0, 1, 0, 0, 0, 1]);
  });

  it('refuses cells outside the map', () => {
    expect(() => subsetMask([2, 3], { subset: [[2, 0]] })).toThrow('2 × 3');
    expect(() => subsetMask([2, 3], { region: true, subset: [[0, 0]] })).toThrow('two corners');
  });
});

describe('explanationMap', () => {
  const activations = tensor([3, 1, 2], [1, 2, 3, 4, 5, 6]);
  const weights = tensor([3], [1, -2, 0.5]);

  it('sums all maps, before and after the ReLU', () => {
    const { signed, map } = explanationMap(activations, weights);
    expect(signed).toEqual(tensor([1, 1, 2], [-2.5, -3]));
    expect([...map.data]).toEqual([0, 0]);
  });

  it('gives one map for each filter, or one of their sum', () => {
    const each = explanationMap(activations, weights, { filters: [2, 1] });
    expect(each.signed).toEqual(tensor([2, 1, 2], [2.5, 3, -6, -8]));
    expect(each.map).toEqual(tensor([2, 1, 2], [2.5, 3, 0, 0]));
    const sum = explanationMap(activations, weights, { filters: [2, 0], combineFilters: 'sum' });
    expect(sum.map).toEqual(tensor([1, 1, 2], [3.5, 5]));
    expect(() => explanationMap(activations, weights, { filters: [3] })).toThrow('0 … 2');
  });

  it('takes a weight for each cell, too', () => {
    const perCell = tensor([3, 1, 2], [1, 0, 2, -1, -3, 4]);
    expect([...explanationMap(activations, perCell).signed.data]).toEqual([1 + 6 - 15, -4 + 24]);
    const each = explanationMap(activations, perCell, { filters: [2, 1], subset: [[0, 1]] });
    assertClose(each.signed.data, [0, 24, 0, -4], { tolerance: 0 });
  });

  it('leaves out the cells that are not in the subset', () => {
    const { signed } = explanationMap(activations, weights, { filters: [0, 1], subset: [[0, 1]] });
    assertClose(signed.data, [0, 2, 0, -8], { tolerance: 0 });
  });
});

describe('upsample', () => {
  it('interpolates between cell centres and holds the edges', () => {
    const row = upsample(tensor([1, 1, 2], [0, 8]), [1, 4]);
    expect([...row.data]).toEqual([0, 2, 6, 8]);
    const square = upsample(tensor([2, 2, 2], [0, 4, 8, 12, 1, 1, 1, 1]), [4, 4]);
    expect([...slice(square, 0).data]).toEqual([0, 1, 3, 4, 2, 3, 5, 6, 6, 7, 9, 10, 8, 9, 11, 12]);
    expect([...slice(square, 1).data]).toEqual(new Array(16).fill(1));
  });

  it('is the identity at the same size, and keeps a plane a plane inside', () => {
    const plane = tensor(
      [1, 5, 7],
      Array.from({ length: 35 }, (_, i) => 3 * Math.floor(i / 7) - (i % 7)),
    );
    expect(upsample(plane, [5, 7])).toEqual(plane);
    const [height, width] = [16, 16];
    const large = upsample(plane, [height, width]);
    for (let y = 2; y < height - 2; y++) {
      for (let x = 2; x < width - 2; x++) {
        const expected = 3 * (((y + 0.5) * 5) / height - 0.5) - (((x + 0.5) * 7) / width - 0.5);
        expect(large.data[y * width + x]).toBeCloseTo(expected, 12);
      }
    }
  });
});

it('sampleMean averages over the first axis', () => {
  expect(sampleMean(tensor([2, 1, 1, 2], [1, 2, 5, -4]))).toEqual(tensor([1, 1, 2], [3, -1]));
});
