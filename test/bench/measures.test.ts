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
  const task = { layer: 'block5_conv3', samples: 25, float32Ms: [10, 11], tf32Ms: [5] };
  const times = { device: 'a GPU', software: 'PyTorch 2', tasks: [task, { ...task, layer: 'block1_conv1' }] };

  it('are read', () => {
    expect(parseTorchTimes(JSON.stringify(times))).toEqual(times);
  });

  it.each([
    [{ device: undefined }, 'no device'],
    [{ software: undefined }, 'no software'],
    [{ tasks: undefined }, 'no tasks'],
    [{ tasks: [] }, 'no tasks'],
  ])('are refused with %j', (wrong, message) => {
    expect(() => parseTorchTimes(JSON.stringify({ ...times, ...wrong }))).toThrow(message);
  });

  it.each([
    [{ layer: 'block3_conv3' }, 'block3_conv3; allowed: block5_conv3, block1_conv1'],
    [{ samples: 0 }, 'samples'],
    [{ float32Ms: [] }, 'float32Ms'],
    [{ float32Ms: [1, 0] }, 'float32Ms'],
    [{ tf32Ms: 5 }, 'tf32Ms'],
  ])('are refused with %j in a task', (wrong, message) => {
    expect(() => parseTorchTimes(JSON.stringify({ ...times, tasks: [task, { ...task, ...wrong }] }))).toThrow(message);
  });
});
