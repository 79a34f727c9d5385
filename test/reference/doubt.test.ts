/** Decisions within rounding of their switch, taken the other way. */
import { describe, expect, it } from 'vitest';
import { acrossZero, type Doubt, otherWinners } from './doubt.ts';
import { backward, forward, type Network } from './network.ts';
import { tensor } from './tensor.ts';

const POOL = { size: 2, stride: 2 };
const within = (share: number, tieWinner?: number): Doubt => ({ share, tieWinner });

describe('acrossZero', () => {
  it('turns what is near zero, by the size of the largest', () => {
    expect([...acrossZero(tensor([5], [8, 0.5, -0.75, 1.5, -8]), within(0.125)).data]).toEqual([
      8, -0.5, 0.75, 1.5, -8,
    ]);
  });
});

describe('otherWinners', () => {
  const swapped = (values: number[], doubt = within(0.1)) => [
    ...otherWinners(tensor([1, 1, 2, values.length / 2], values), POOL, doubt).data,
  ];

  it('swaps the largest and the next value of a window where they are near', () => {
    expect(swapped([9, 10, 1, 2, 3, 4, 2, 5])).toEqual([10, 9, 1, 2, 3, 4, 2, 5]);
    expect(swapped([9, 10, 1, 2, 3, 4, 2, 5], within(0.3))).toEqual([10, 9, 1, 5, 3, 4, 2, 2]);
  });

  it('leaves equal values alone, and swaps the first of them with the next smaller one', () => {
    expect(swapped([10, 10, 10, 10])).toEqual([10, 10, 10, 10]);
    expect(swapped([10, 10, 9.5, 3])).toEqual([9.5, 10, 10, 3]);
  });

  it('has another of equal values win where ties are broken, but for zeros', () => {
    const winner = (values: number[], tieWinner: number) => {
      const found = swapped(values, within(0, tieWinner));
      return found.indexOf(Math.max(...found));
    };
    expect([0, 1, 2].map((i) => winner([10, 3, 10, 10], i))).toEqual([2, 3, 2]);
    expect(winner([10, 3, 9, 8], 1)).toBe(0);
    expect(winner([0, 0, 0, 0], 1)).toBe(0);
  });
});

describe('a network in doubt', () => {
  const network = (doubt?: Doubt): Network => [
    {
      name: 'units',
      op: 'dense',
      weights: tensor([2, 3], [1, 0, 1, 0, 1, -1]),
      bias: tensor([3], [0, 0, 1e-6]),
      relu: true,
      doubt,
    },
    { name: 'logits', op: 'dense', weights: tensor([3, 1], [2, 3, 5]), relu: false },
  ];
  const gradient = (doubt?: Doubt) => {
    const input = tensor([1, 2], [1, 1]);
    const outputs = forward(network(doubt), input);
    return [...backward(network(doubt), input, outputs, tensor([1, 1], [1])).data];
  };

  it('closes a gate that is open by next to nothing', () => {
    expect(gradient()).toEqual([7, -2]);
    expect(gradient(within(1e-5))).toEqual([2, 3]);
    expect(gradient(within(1e-7))).toEqual([7, -2]);
  });
});
