/** The layers of the oracle: answers worked out by hand, and gradients against finite differences and the adjoint. */
import { describe, expect, it } from 'vitest';
import { assertAdjoint, assertClose, dot } from '../harness/assertions.ts';
import { finiteDifferenceGradient } from '../harness/finite-differences.ts';
import { random } from '../harness/random.ts';
import { type Conv2dParameters, conv2d, conv2dGradInput } from './conv2d.ts';
import { dense, denseGradInput } from './dense.ts';
import { flatten, flattenGradInput } from './flatten.ts';
import { globalAveragePool, globalAveragePoolGradInput } from './global-average-pool.ts';
import { maxpool, maxpoolGradInput } from './maxpool.ts';
import { relu, reluGradInput } from './relu.ts';
import { elementCount, type Tensor, tensor } from './tensor.ts';

const source = random(20190);
const normal = (shape: readonly number[]) => tensor(shape, source.normals(elementCount(shape)));
const counting = (shape: readonly number[]) =>
  tensor(
    shape,
    Array.from({ length: elementCount(shape) }, (_, i) => i + 1),
  );

/** Rounding in float64, which is all that may part the oracle from the truth. */
const FLOAT64 = { tolerance: 1e-13 };

/** The gradient of ⟨layer(input), y⟩ must be `gradInput(y)`, by finite differences and, for linear layers, the adjoint. */
function checkGradient(
  input: Tensor,
  layer: (input: Tensor) => Tensor,
  gradInput: (y: Tensor) => Tensor,
  kind: 'linear' | 'piecewise linear',
): void {
  const output = layer(input);
  const y = normal(output.shape);
  const gradient = gradInput(y);
  expect(gradient.shape).toEqual(input.shape);
  const scalar = (values: Float64Array) => dot(layer(tensor(input.shape, values)).data, y.data);
  assertClose(gradient.data, finiteDifferenceGradient(scalar, input.data), { tolerance: 1e-8 });
  if (kind === 'linear') assertAdjoint({ x: input.data, y: y.data, Ax: output.data, Aty: gradient.data }, FLOAT64);
}

describe('conv2d', () => {
  it('sums the window, with zeros beyond the edges', () => {
    const input = counting([1, 1, 3, 3]);
    const ones = tensor([1, 1, 3, 3], new Array(9).fill(1));
    const padded = conv2d(input, ones, tensor([1], [100]), { stride: 1, padding: 1 });
    expect(padded.shape).toEqual([1, 1, 3, 3]);
    expect([...padded.data]).toEqual([112, 121, 116, 127, 145, 133, 124, 139, 128]);
    expect([...conv2d(input, ones, undefined, { stride: 1, padding: 0 }).data]).toEqual([45]);
    expect([...conv2d(input, ones, undefined, { stride: 2, padding: 1 }).data]).toEqual([12, 16, 24, 28]);
  });

  it('is a cross-correlation: the kernel is not mirrored', () => {
    const input = counting([1, 1, 1, 4]);
    const kernel = tensor([1, 1, 1, 2], [1, 10]);
    expect([...conv2d(input, kernel, undefined, { stride: 1, padding: 0 }).data]).toEqual([21, 32, 43]);
  });

  it('sums over channels, keeps samples and outputs apart, and takes weights as [O, C, kh, kw]', () => {
    const input = tensor([2, 2, 1, 1], [1, 2, 3, 4]);
    const weights = tensor([3, 2, 1, 1], [1, 0, 0, 1, 10, 100]);
    const output = conv2d(input, weights, tensor([3], [0, 0, 1000]), { stride: 1, padding: 0 });
    expect(output.shape).toEqual([2, 3, 1, 1]);
    expect([...output.data]).toEqual([1, 2, 1210, 3, 4, 1430]);
  });

  it('ends in a ReLU where asked', () => {
    const output = conv2d(tensor([1, 1, 1, 2], [3, -3]), tensor([1, 1, 1, 1], [1]), tensor([1], [1]), {
      stride: 1,
      padding: 0,
      relu: true,
    });
    expect([...output.data]).toEqual([4, 0]);
  });

  it('refuses weights and gradients of another shape', () => {
    const parameters = { stride: 1, padding: 0 };
    expect(() => conv2d(tensor([1, 2, 3, 3]), tensor([1, 3, 1, 1]), undefined, parameters)).toThrow(/3 channels/);
    expect(() => conv2dGradInput(tensor([1, 1, 4, 4]), tensor([1, 1, 1, 1]), parameters, [3, 3])).toThrow(/gradOutput/);
  });

  const cases: { input: number[]; weights: number[]; parameters: Conv2dParameters }[] = [
    { input: [2, 3, 5, 4], weights: [4, 3, 3, 3], parameters: { stride: 1, padding: 1 } },
    { input: [1, 2, 7, 6], weights: [3, 2, 3, 3], parameters: { stride: 2, padding: 1 } },
    { input: [2, 1, 6, 8], weights: [2, 1, 2, 5], parameters: { stride: 3, padding: 2 } },
    { input: [1, 5, 3, 3], weights: [2, 5, 1, 1], parameters: { stride: 1, padding: 0 } },
    { input: [1, 1, 1, 1], weights: [1, 1, 3, 3], parameters: { stride: 1, padding: 1 } },
  ];
  it.each(cases)('has the gradient of $input through $weights, $parameters', ({ input, weights, parameters }) => {
    const kernel = normal(weights);
    checkGradient(
      normal(input),
      (x) => conv2d(x, kernel, undefined, parameters),
      (y) => conv2dGradInput(y, kernel, parameters, [input[2]!, input[3]!]),
      'linear',
    );
  });
});

describe('relu', () => {
  it('cuts at 0, and has no gradient there', () => {
    const input = tensor([4], [-2, 0, 3, 1e-300]);
    expect([...relu(input).data]).toEqual([0, 0, 3, 1e-300]);
    const y = tensor([4], [5, 6, 7, 8]);
    expect([...reluGradInput(y, input).data]).toEqual([0, 0, 7, 8]);
    expect(reluGradInput(y, relu(input))).toEqual(reluGradInput(y, input));
  });

  it('has the gradient', () => {
    const input = normal([3, 7]);
    checkGradient(input, relu, (y) => reluGradInput(y, input), 'piecewise linear');
  });
});

describe('maxpool', () => {
  it('takes the largest of each window and leaves an odd edge out', () => {
    const output = maxpool(counting([1, 1, 3, 5]), { size: 2, stride: 2 });
    expect(output.shape).toEqual([1, 1, 1, 2]);
    expect([...output.data]).toEqual([7, 9]);
  });

  it('gives a tie to the first cell in row-major order', () => {
    const y = tensor([1, 1, 1, 1], [9]);
    const gradient = (values: number[]) => [
      ...maxpoolGradInput(y, tensor([1, 1, 2, 2], values), { size: 2, stride: 2 }).data,
    ];
    expect(gradient([0, 0, 0, 0])).toEqual([9, 0, 0, 0]);
    expect(gradient([0, 1, 1, 1])).toEqual([0, 9, 0, 0]);
    expect(gradient([0, -1, 1, 1])).toEqual([0, 0, 9, 0]);
    expect(gradient([-3, -4, -5, -2])).toEqual([0, 0, 0, 9]);
  });

  it('adds up where windows overlap', () => {
    const input = tensor([1, 1, 1, 3], [0, 5, 0]);
    const gradient = maxpoolGradInput(tensor([1, 1, 1, 3], [1, 10, 100]), input, { size: 1, stride: 1 });
    expect([...gradient.data]).toEqual([1, 10, 100]);
    const square = tensor([1, 1, 3, 3], [0, 0, 0, 0, 5, 0, 0, 0, 0]);
    const overlapping = maxpoolGradInput(tensor([1, 1, 2, 2], [1, 10, 100, 1000]), square, { size: 2, stride: 1 });
    expect([...overlapping.data]).toEqual([0, 0, 0, 0, 1111, 0, 0, 0, 0]);
  });

  it.each([
    { shape: [2, 3, 4, 6], size: 2, stride: 2 },
    { shape: [1, 2, 7, 5], size: 3, stride: 2 },
    { shape: [1, 1, 5, 5], size: 2, stride: 3 },
  ])('has the gradient of $shape, size $size, stride $stride', ({ shape, size, stride }) => {
    const input = normal(shape);
    const pool = { size, stride };
    checkGradient(
      input,
      (x) => maxpool(x, pool),
      (y) => maxpoolGradInput(y, input, pool),
      'piecewise linear',
    );
  });
});

describe('flatten', () => {
  it('keeps the order of memory, or puts channels last', () => {
    const input = counting([2, 2, 2, 3]);
    expect(flatten(input, 'chw').shape).toEqual([2, 12]);
    expect([...flatten(input, 'chw').data]).toEqual([...input.data]);
    const first = [1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12];
    expect([...flatten(input, 'hwc').data]).toEqual([...first, ...first.map((value) => value + 12)]);
  });

  it.each(['chw', 'hwc'] as const)('has the gradient in the order %s', (order) => {
    checkGradient(
      normal([2, 3, 2, 4]),
      (x) => flatten(x, order),
      (y) => flattenGradInput(y, order, [3, 2, 4]),
      'linear',
    );
  });
});

describe('global average pooling', () => {
  it('takes the mean of each map of each sample', () => {
    const pooled = globalAveragePool(counting([2, 2, 2, 3]));
    expect(pooled.shape).toEqual([2, 2]);
    expect([...pooled.data]).toEqual([3.5, 9.5, 15.5, 21.5]);
  });

  it('has the gradient', () => {
    checkGradient(normal([2, 3, 2, 4]), globalAveragePool, (y) => globalAveragePoolGradInput(y, [2, 4]), 'linear');
  });
});

describe('dense', () => {
  it('multiplies rows by weights [I, O] and adds the bias', () => {
    const input = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    const weights = tensor([3, 2], [1, 10, 2, 20, 3, 30]);
    const output = dense(input, weights, tensor([2], [0.5, -400]));
    expect(output.shape).toEqual([2, 2]);
    expect([...output.data]).toEqual([14.5, -260, 32.5, -80]);
    expect([...dense(input, weights, tensor([2], [0.5, -400]), { relu: true }).data]).toEqual([14.5, 0, 32.5, 0]);
  });

  it('has the gradient', () => {
    const weights = normal([7, 5]);
    checkGradient(
      normal([3, 7]),
      (x) => dense(x, weights, undefined),
      (y) => denseGradInput(y, weights),
      'linear',
    );
  });
});
