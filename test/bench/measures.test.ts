import { describe, expect, it } from 'vitest';
import { mapDifference } from '../../bench/measures/against-peers.ts';
import { parseTorchTimes } from '../../bench/measures/torch.ts';

describe('the difference of two maps', () => {
  const difference = (ours: number[], theirs: number[]) =>
    mapDifference(Float32Array.from(ours), Float32Array.from(theirs));

  it('is a share of the greatest value', () => {
    expect(difference([1, 2, 3], [1, 2, 4])).toBe(0.25);
    expect(difference([1, 2], [1, 2])).toBe(0);
  });

  it('is no number where there is nothing to compare', () => {
    expect(difference([0, 0], [0, 0])).toBeNaN();
    expect(difference([Number.NaN, 1], [1, 1])).toBeNaN();
    expect(() => difference([1], [1, 2])).toThrow('1 cells against one of 2');
  });
});

describe('times of PyTorch', () => {
  const times = { device: 'a GPU', layer: 'block5_conv3', samples: 25, float32Ms: [10, 11], tf32Ms: [5] };

  it('are read', () => {
    expect(parseTorchTimes(JSON.stringify(times))).toEqual(times);
  });

  it.each([
    [{ device: undefined }, 'no device'],
    [{ layer: 5 }, 'no layer'],
    [{ samples: 0 }, 'samples'],
    [{ float32Ms: [] }, 'float32Ms'],
    [{ float32Ms: [1, 0] }, 'float32Ms'],
    [{ tf32Ms: 5 }, 'tf32Ms'],
  ])('are refused with %j', (wrong, message) => {
    expect(() => parseTorchTimes(JSON.stringify({ ...times, ...wrong }))).toThrow(message);
  });
});
