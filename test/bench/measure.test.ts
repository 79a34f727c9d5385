import { describe, expect, it } from 'vitest';
import { countedMs, enoughRepeats, interleave, summarize, timed } from '../../bench/measure.ts';

describe('summarize', () => {
  it('gives the median, the least and the greatest', () => {
    expect(summarize([5, 1, 100])).toEqual({ median: 5, spread: [1, 100], runs: 3 });
  });

  it('takes the middle of two medians', () => {
    expect(summarize([10, 1, 2, 4])).toEqual({ median: 3, spread: [1, 10], runs: 4 });
  });

  it('sorts by value', () => {
    expect(summarize([10, 9, 100]).median).toBe(10);
  });

  it('refuses nothing to summarize', () => {
    expect(() => summarize([])).toThrow('at least one');
  });
});

describe('interleave', () => {
  /** Contestants that write down their turns and return how many there were. */
  const contestants = (turns: string[], names: string[], ms = 0) =>
    Object.fromEntries(
      names.map((name) => [
        name,
        async () => {
          if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
          return turns.push(name);
        },
      ]),
    );

  it('takes turns, every other round in reverse', async () => {
    const turns: string[] = [];
    const values = await interleave(contestants(turns, ['a', 'b', 'c']), {
      runs: 3,
      budgetMs: Number.POSITIVE_INFINITY,
    });
    expect(turns.join('')).toBe('abc' + 'cba' + 'abc');
    expect(values).toEqual({ a: [1, 6, 7], b: [2, 5, 8], c: [3, 4, 9] });
  });

  it('begins no round when the time is up, but always finishes the first', async () => {
    const turns: string[] = [];
    await interleave(contestants(turns, ['a', 'b'], 5), { runs: 5, budgetMs: 1 });
    expect(turns.join('')).toBe('ab');
  });

  it('passes a failure on', async () => {
    const failing = { a: async () => 1, b: () => Promise.reject(new Error('refused')) };
    await expect(interleave(failing, { runs: 2, budgetMs: 1000 })).rejects.toThrow('refused');
  });
});

describe('enoughRepeats', () => {
  /** A run with a fixed cost. */
  const run = (fixedMs: number, eachMs: number) => async (repeats: number) => fixedMs + repeats * eachMs;

  it('does not repeat what takes long enough', async () => {
    expect(await enoughRepeats(run(0, 50), 30)).toBe(1);
  });

  it('repeats until the run is long enough, however large its fixed cost', async () => {
    for (const fixed of [0, 1, 20]) {
      const repeats = await enoughRepeats(run(fixed, 0.5), 30);
      expect(fixed + repeats * 0.5).toBeGreaterThanOrEqual(30);
      expect(repeats).toBeLessThan(8 * 60);
    }
  });

  it('gives up on what takes no time', async () => {
    expect(await enoughRepeats(run(0, 0), 30)).toBe(1024);
  });
});

describe('timed', () => {
  it('waits for the work to end', async () => {
    // A timer may fire a millisecond early.
    const { ms } = await timed(() => new Promise((resolve) => setTimeout(resolve, 20)));
    expect(ms).toBeGreaterThanOrEqual(19);
  });

  it('counts CPU time apart from waiting', async () => {
    const waiting = await timed(() => new Promise((resolve) => setTimeout(resolve, 100)));
    const working = await timed(async () => {
      const end = process.cpuUsage().user + 50_000;
      while (process.cpuUsage().user < end);
    });
    expect(waiting.cpuMs).toBeLessThan(50);
    expect(working.cpuMs).toBeGreaterThanOrEqual(50);
  });
});

describe('the time that counts', () => {
  const time = { ms: 100, cpuMs: 80 };

  it('is that of the clock on a GPU, and CPU time over all cores on a software adapter', () => {
    expect(countedMs(time, { isSoftware: false, cores: 4 })).toBe(100);
    expect(countedMs(time, { isSoftware: true, cores: 4 })).toBe(20);
  });

  it('is that of the clock where CPU time cannot be told', () => {
    expect(countedMs({ ms: 100 }, { isSoftware: true, cores: 4 })).toBe(100);
  });
});
