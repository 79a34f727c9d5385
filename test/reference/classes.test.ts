/** From logits to classes and back: softmax, argmax, one-hot. */
import { expect, it } from 'vitest';
import { assertClose } from '../harness/assertions.ts';
import { argmax } from './argmax.ts';
import { oneHot } from './one-hot.ts';
import { softmax } from './softmax.ts';
import { tensor } from './tensor.ts';

it('softmax gives each sample probabilities in the ratio of the exponentials', () => {
  const probabilities = softmax(tensor([2, 3], [0, Math.log(2), Math.log(5), 7, 7, 7]));
  assertClose(probabilities.data, [1 / 8, 2 / 8, 5 / 8, 1 / 3, 1 / 3, 1 / 3], { tolerance: 1e-15 });
});

it('softmax neither overflows nor turns into NaN', () => {
  expect([...softmax(tensor([1, 3], [-1e4, 1e4, 1e4])).data]).toEqual([0, 0.5, 0.5]);
});

it('argmax takes the lowest index of equal scores', () => {
  expect(argmax(tensor([4, 3], [1, 3, 2, 5, 5, 5, -2, -1, -1, 0, -1, -2]))).toEqual([1, 0, 1, 0]);
});

it('oneHot has a 1 at the class of each sample', () => {
  expect(oneHot([2, 0], 3)).toEqual(tensor([2, 3], [0, 0, 1, 1, 0, 0]));
  expect(() => oneHot([3], 3)).toThrow(RangeError);
});
