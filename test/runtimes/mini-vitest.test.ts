import { describe, expect, it } from 'vitest';
import * as mini from './mini-vitest.ts';

/** Collects `body` as the only tests of a file; earlier ones keep their places in the list. */
async function collect(body: () => unknown): Promise<number[]> {
  const before = mini.listTests().length;
  await mini.collectFile('some.test.ts', async () => body());
  return mini.listTests().flatMap((_, index) => (index >= before ? [index] : []));
}

describe('mini-vitest', () => {
  it('names a test by its file and its describes', async () => {
    const indices = await collect(() => {
      mini.describe('outer', () => {
        mini.describe('inner', () => mini.it('first', () => undefined));
        mini.it('second', () => undefined, 5);
      });
      mini.it('third', () => undefined);
    });
    const tests = indices.map((index) => mini.listTests()[index]);
    expect(tests).toEqual([
      { name: 'some.test.ts > outer > inner > first', timeoutMs: 180_000 },
      { name: 'some.test.ts > outer > second', timeoutMs: 5 },
      { name: 'some.test.ts > third', timeoutMs: 180_000 },
    ]);
  });

  it('runs a test only when asked, and tells passed from failed', async () => {
    const ran: string[] = [];
    const [passing, throwing, rejecting] = await collect(() => {
      mini.it('passes', async () => ran.push('passes'));
      mini.it('throws', () => {
        throw new TypeError('no such thing');
      });
      mini.it('rejects', () => Promise.reject(new Error('later')));
    });
    expect(ran).toEqual([]);
    expect((await mini.runTest(passing!)).error).toBeUndefined();
    expect(ran).toEqual(['passes']);
    expect((await mini.runTest(throwing!)).error).toMatch(/TypeError: no such thing.*mini-vitest\.test\.ts/s);
    expect((await mini.runTest(rejecting!)).error).toContain('later');
  });

  it('gives up on a test that does not end', async () => {
    const [endless] = await collect(() => mini.it('waits', () => new Promise(() => undefined), 20));
    expect((await mini.runTest(endless!)).error).toContain('longer than 20 ms');
  });

  it('makes a file that does not load a failing test', async () => {
    const [loads] = await collect(() => {
      throw new Error('half-written');
    });
    expect(mini.listTests()[loads!]!.name).toBe('some.test.ts > loads');
    expect((await mini.runTest(loads!)).error).toContain('half-written');
  });
});
