/** Contests of made-up kernels, with a made-up clock. */
import { describe, expect, it } from 'vitest';
import { AbortError, DeviceLostError } from '../../src/errors.ts';
import { bestOf, type Contestant, contest, isTuning } from '../../src/gpu/contest.ts';
import { assertRejects } from '../harness/assertions.ts';

const RIGHT = [4, -2, 1];

/** @param times of one run each, in turn; the last one goes on */
function contestant(name: string, times: readonly number[], values = RIGHT, runs: string[] = []): Contestant {
  let at = 0;
  return {
    name,
    tolerance: 1e-4,
    prepare: async () => Float32Array.from(values),
    time: async (repeats) => {
      runs.push(name);
      return repeats * times[Math.min(at++, times.length - 1)]!;
    },
  };
}

const byName = async (contestants: readonly Contestant[], options = {}) => {
  const timings = await contest(contestants, contestants[0]!.name, options);
  return Object.fromEntries(timings.map((timing) => [timing.name, timing]));
};

describe('contest', () => {
  it('drops the slow after one timed run and times the others four times', async () => {
    const { a, b, c } = await byName([contestant('a', [10]), contestant('b', [9]), contestant('c', [20])]);
    expect(a!.ms).toEqual([10, 10, 10, 10]);
    expect(b!.ms).toEqual([9, 9, 9, 9]);
    expect(c!.ms).toEqual([20]);
  });

  it('ends when one is left, but times it once', async () => {
    const { a, b } = await byName([contestant('a', [100]), contestant('b', [5])]);
    expect([a!.ms, b!.ms]).toEqual([[100], [5]]);
    expect((await byName([contestant('alone', [5])])).alone!.ms).toEqual([5]);
  });

  it('times as often as it is asked, and drops none where none is to be dropped', async () => {
    const options = { rounds: 3, dropFactor: Number.POSITIVE_INFINITY };
    const { c } = await byName([contestant('a', [1]), contestant('c', [50])], options);
    expect(c!.ms).toEqual([50, 50, 50]);
  });

  it('takes turns', async () => {
    const runs: string[] = [];
    await contest([contestant('a', [5], RIGHT, runs), contestant('b', [5], RIGHT, runs)], 'a', { rounds: 3 });
    expect(runs.join('')).toBe('ab' + 'ba' + 'ab');
  });

  it('repeats short runs within one timing, and gives the time of one', async () => {
    const repeats: number[] = [];
    const quick: Contestant = {
      ...contestant('a', []),
      time: async (count) => {
        repeats.push(count);
        return 0.25 * count;
      },
    };
    const { a } = await byName([quick]);
    // The first run of the guess says how often.
    expect(repeats).toEqual([1, 12]);
    expect(a!.ms).toEqual([0.25]);
  });

  it('says how far results are from the reference, and disqualifies those that are too far', async () => {
    const { a, near, far } = await byName([
      contestant('a', [5]),
      contestant('near', [4], [4, -2, 1.0001]),
      contestant('far', [1], [4, -2, 1.01]),
    ]);
    expect(a!.error).toBe(0);
    expect(near!.error).toBeCloseTo(2.5e-5, 7);
    expect(near!.disqualified).toBeUndefined();
    expect(far!.disqualified).toMatch(/off by 0\.0025 of the greatest value; allowed is 0\.0001/);
    expect(far!.ms).toEqual([]);
  });

  it.each([
    ['is not finite', [4, Number.NaN, 1]],
    ['is infinite', [4, Number.POSITIVE_INFINITY, 1]],
    ['is of another length', [4, -2]],
    ['was not written', [0, 0, 0]],
  ])('disqualifies a result that %s', async (_, values) => {
    const { broken } = await byName([contestant('a', [5]), contestant('broken', [1], values)]);
    expect(broken!.disqualified).toMatch(/off by/);
  });

  it('lets none win that cannot be compared, because the reference is nothing but zeros or fails', async () => {
    const zeros = await byName([contestant('a', [5], [0, 0, 0]), contestant('b', [1], [0, 0, 0])]);
    expect(zeros.b!.disqualified).toMatch(/no result of a/);
    const failing = { ...contestant('a', [5]), prepare: () => Promise.reject(new Error('no such luck')) };
    const failed = await byName([failing, contestant('b', [1])]);
    expect(failed.a!.disqualified).toBe('no such luck');
    expect(failed.b!.disqualified).toMatch(/no result of a/);
  });

  it('takes neither an error nor a time of 0 for a result', async () => {
    const failing = { ...contestant('failing', []), time: () => Promise.reject(new Error('out of memory')) };
    const { failing: f, zero } = await byName([contestant('a', [5]), failing, contestant('zero', [0])]);
    expect(f!.disqualified).toBe('out of memory');
    expect(zero!.disqualified).toMatch(/0 ms/);
    expect(zero!.ms).toEqual([]);
  });

  it('ends with the device or its signal, and keeps no timing during which that fired', async () => {
    const lost = { ...contestant('b', []), time: () => Promise.reject(new DeviceLostError('gone')) };
    await assertRejects(() => contest([contestant('a', [5]), lost], 'a'), DeviceLostError, /gone/);
    const controller = new AbortController();
    const aborting: Contestant = {
      ...contestant('a', []),
      time: async () => {
        controller.abort();
        return 5;
      },
    };
    await assertRejects(() => contest([aborting], 'a', { signal: controller.signal }), AbortError, /AbortSignal/);
  });
});

describe('bestOf', () => {
  const tuning = {
    key: 'k',
    measuredOn: '',
    candidates: [
      { name: 'guess', ms: [10.2, 12] },
      { name: 'b', ms: [10, 30] },
      { name: 'c', ms: [4], disqualified: 'wrong' },
      { name: 'd', ms: [] },
      { name: 'e', ms: [50] },
    ],
  };

  it('is the fastest by its fastest run, if it is clearly faster than the best guess', () => {
    expect(bestOf(tuning, ['guess', 'b', 'c', 'd', 'e'])).toBe('guess');
    expect(bestOf(tuning, ['e', 'b', 'c', 'guess'])).toBe('b');
  });

  it('is one of those asked for, or none', () => {
    expect(bestOf(tuning, ['c', 'e'])).toBe('e');
    expect(bestOf(tuning, ['c', 'd', 'new'])).toBeUndefined();
  });
});

it('isTuning tells what choices can be made by', () => {
  const good = { key: 'k', measuredOn: '', candidates: [{ name: 'a', ms: [1] }] };
  expect(isTuning(good)).toBe(true);
  const bad = [undefined, 'k', { ...good, key: 1 }, { ...good, candidates: {} }, { ...good, candidates: [null] }];
  for (const value of bad) expect(isTuning(value), JSON.stringify(value)).toBe(false);
  for (const ms of [[0], [-1], ['1'], [Number.NaN], 1]) {
    expect(isTuning({ ...good, candidates: [{ name: 'a', ms }] }), String(ms)).toBe(false);
  }
});
