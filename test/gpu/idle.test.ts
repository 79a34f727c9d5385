import { describe, expect, it } from 'vitest';
import { IdleWork } from '../../src/gpu/idle.ts';

/** Lets the quiet time pass, and more. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 60));

describe('idle work', () => {
  it('waits until no job is under way, and is done one piece after the other', async () => {
    const idle = new IdleWork();
    const leaveFirst = idle.enter();
    const leaveSecond = idle.enter();
    const done: string[] = [];
    for (const key of ['a', 'b', 'a']) {
      idle.add(key, async () => {
        done.push(`${key} begun`);
        await aWhile();
        done.push(`${key} done`);
      });
    }
    leaveFirst();
    leaveFirst(); // once is enough, and twice does not count for another
    await aWhile();
    expect(done).toEqual([]);
    leaveSecond();
    await idle.settled();
    expect(done).toEqual(['a begun', 'a done', 'b begun', 'b done']);
  });

  it('ends for a job, and is tried again behind it', async () => {
    const idle = new IdleWork();
    const seen: boolean[] = [];
    let leave = () => {};
    idle.add('a', async (signal) => {
      if (seen.length === 0) leave = idle.enter();
      seen.push(signal.aborted);
      signal.throwIfAborted();
    });
    await idle.settled();
    expect(seen).toEqual([true]);
    leave();
    await idle.settled();
    expect(seen).toEqual([true, false]);
  });

  it('goes on after a job that came and went while a piece was ending', async () => {
    const idle = new IdleWork();
    let runs = 0;
    idle.add('a', async (signal) => {
      if (runs++ > 0) return;
      idle.enter()();
      expect(signal.aborted).toBe(true);
    });
    await idle.settled();
    expect(runs).toBe(2);
  });

  it('tries nothing again that failed by itself', async () => {
    const idle = new IdleWork();
    let tries = 0;
    idle.add('a', async () => {
      tries++;
      throw new Error('no such luck');
    });
    await idle.settled();
    idle.enter()();
    await idle.settled();
    expect(tries).toBe(1);
  });

  it('leaves what its time is not enough for until after the next job', async () => {
    const idle = new IdleWork(0);
    const done: string[] = [];
    for (const key of ['a', 'b']) idle.add(key, async () => void done.push(key));
    await idle.settled();
    expect(done).toEqual(['a']);
    idle.enter()();
    await idle.settled();
    expect(done).toEqual(['a', 'b']);
  });

  it('ends for good', async () => {
    const idle = new IdleWork();
    let signal: AbortSignal | undefined;
    idle.add('a', async (its) => {
      signal = its;
      idle.stop();
    });
    idle.add('b', () => Promise.reject(new Error('this was dropped')));
    await idle.settled();
    expect(signal?.aborted).toBe(true);
    idle.add('c', async () => {
      signal = undefined;
    });
    await aWhile();
    expect(signal).toBeDefined();
  });
});
