/** Contests of made-up kernels, with a made-up clock. */
import { describe, expect, it } from 'vitest';
import { AbortError, DeviceLostError } from '../../src/errors.ts';
import { bestOf, type Contestant, contest, isTuning } from '../../src/gpu/contest.ts';
import { assertRejects } from '../harness/assertions.ts';

const RIGHT = [4, -2, 1];

/** @param times of one run each, in turn, the first run's first; the last one goes on */
function contestant(name: string, times: readonly number[], values = RIGHT, runs: string[] = []): Contestant {
  let at = 0;
  const time = async (repeats: number) => {
    runs.push(name);
    return repeats * times[Math.min(at++, times.length - 1)]!;
  };
  return {
    name,
    tolerance: 1e-4,
    prepare: async () => void runs.push(`${name}?`),
    firstRun: async () => ({ values: Float32Array.from(values), ms: await time(1) }),
    time,
  };
}

const byName = async (contestants: readonly Contestant[], options = {}) => {
  const timings = await contest(contestants, contestants[0]!.name, options);
  return Object.fromEntries(timings.map((timing) => [timing.name, timing]));
};

describe('contest', () => {
  it('drops the slow after the first run, the less slow after the next, and times the others four times', async () => {
    const timings = await byName([
      contestant('a', [10]),
      contestant('b', [9.5]),
      contestant('c', [14]),
      contestant('d', [11.5, 15, 11]),
      contestant('e', [20]),
    ]);
    expect(timings.a!.ms).toEqual([10, 10, 10, 10]);
    expect(timings.b!.ms).toEqual([9.5, 9.5, 9.5, 9.5]);
    expect(timings.c!.ms).toEqual([14, 14]);
    expect(timings.d!.ms).toEqual([11.5, 15, 11]);
    expect(timings.e!.ms).toEqual([20]);
  });

  it('ends when one is left, with its first run for its time', async () => {
    const { a, b } = await byName([contestant('a', [100]), contestant('b', [5])]);
    expect([a!.ms, b!.ms]).toEqual([[100], [5]]);
    expect((await byName([contestant('alone', [5])])).alone!.ms).toEqual([5]);
  });

  it('times as often as it is asked, and drops none where none is to be dropped', async () => {
    const options = { rounds: 3, dropFactors: [Number.POSITIVE_INFINITY] };
    const { c } = await byName([contestant('a', [1]), contestant('c', [50])], options);
    expect(c!.ms).toEqual([50, 50, 50]);
  });

  it('prepares all, and then takes turns', async () => {
    const runs: string[] = [];
    await contest([contestant('a', [5], RIGHT, runs), contestant('b', [5], RIGHT, runs)], 'a', { rounds: 3 });
    expect(runs.join('')).toBe('a?b?' + 'ab' + 'ba' + 'ab');
  });

  it('goes on only when all are prepared, whatever became of the first', async () => {
    let isPrepared = false;
    const slow: Contestant = {
      ...contestant('slow', [5]),
      prepare: () =>
        new Promise((resolve) => {
          setTimeout(() => {
            isPrepared = true;
            resolve();
          }, 5);
        }),
    };
    const lost = { ...contestant('lost', []), prepare: () => Promise.reject(new DeviceLostError('gone')) };
    await assertRejects(() => contest([lost, slow], 'slow'), DeviceLostError, /gone/);
    expect(isPrepared).toBe(true);
  });

  it('repeats short runs within one timing, and gives the time of one', async () => {
    const repeats: number[] = [];
    const quick: Contestant = {
      ...contestant('a', [0.25]),
      time: async (count) => {
        repeats.push(count);
        return 0.2 * count;
      },
    };
    const { a } = await byName([quick]);
    // The first run of the guess says how often, and is too short to count.
    expect(repeats).toEqual([12]);
    expect(a!.ms[0]).toBeCloseTo(0.2, 9);
    expect(a!.ms).toHaveLength(1);
  });

  it('compares with a reference that cannot be chosen, and does not time it', async () => {
    const reference = { ...contestant('reference', [1]), isOnlyReference: true };
    const { a, reference: right } = await byName([reference, contestant('a', [5, 4])]);
    expect(right).toMatchObject({ ms: [], error: 0, disqualified: expect.stringMatching(/only says what is right/) });
    expect(a).toMatchObject({ ms: [5], error: 0 });
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
    const fail = () => Promise.reject(new Error('no such luck'));
    for (const failing of [{ prepare: fail }, { firstRun: fail }]) {
      const failed = await byName([{ ...contestant('a', [5]), ...failing }, contestant('b', [1])]);
      expect(failed.a!.disqualified).toBe('no such luck');
      expect(failed.b!.disqualified).toMatch(/no result of a/);
    }
  });

  it('takes neither an error nor a time of 0 for a result', async () => {
    const failing = { ...contestant('failing', [5]), time: () => Promise.reject(new Error('out of memory')) };
    const { failing: f, zero } = await byName([contestant('a', [5]), failing, contestant('zero', [0])]);
    expect(f!.disqualified).toBe('out of memory');
    expect(zero!.disqualified).toMatch(/0 ms/);
    expect(zero!.ms).toEqual([]);
  });

  it('ends with the device or its signal, and keeps no timing during which that fired', async () => {
    const lost = { ...contestant('b', [5]), time: () => Promise.reject(new DeviceLostError('gone')) };
    await assertRejects(() => contest([contestant('a', [5]), lost], 'a'), DeviceLostError, /gone/);
    const controller = new AbortController();
    const aborting: Contestant = {
      ...contestant('a', []),
      firstRun: async () => {
        controller.abort();
        return { values: Float32Array.from(RIGHT), ms: 5 };
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
