/** What becomes of tests that go wrong in another runtime: nothing of it may pass for success. */
import { describe, expect, it } from 'vitest';
import { startChromium } from './chromium.ts';
import { startDeno } from './deno.ts';

/** A bundle whose tests pass, fail, take the runtime down, and never give it back. */
const BUNDLE = `
const leave = () => { location.href = 'about:blank'; return new Promise(() => {}); };
const tests = {
  pass: () => ({ ms: 1 }),
  fail: () => ({ ms: 1, error: 'wrong numbers' }),
  crash: () => ('Deno' in globalThis ? Deno.exit(3) : leave()),
  hang: () => { while (true); },
};
export const listTests = () => Object.keys(tests).map((name) => ({ name, timeoutMs: 1000 }));
export const runTest = async (index) => Object.values(tests)[index]();
`;
const [PASS, FAIL, CRASH, HANG] = [0, 1, 2, 3];

describe.each([
  { name: 'Deno', start: startDeno, crash: /Deno ended \(exit 3\)/ },
  { name: 'Chromium', start: startChromium, crash: /context was destroyed|Failed to fetch/ },
])('$name', ({ start, crash }) => {
  it('hands on what passes and what fails, and rejects once the runtime is gone', async () => {
    const remote = await start(BUNDLE);
    try {
      expect(remote.tests.map((test) => test.name)).toEqual(['pass', 'fail', 'crash', 'hang']);
      expect(await remote.run(PASS)).toEqual({ ms: 1 });
      expect(await remote.run(FAIL)).toEqual({ ms: 1, error: 'wrong numbers' });
      await expect(remote.run(CRASH)).rejects.toThrow(crash);
      await expect(remote.run(PASS)).rejects.toThrow(crash);
    } finally {
      await remote.stop();
    }
  });

  it('can be stopped in an endless loop', async () => {
    const remote = await start(BUNDLE);
    const outcome = remote.run(HANG);
    outcome.catch(() => undefined);
    await remote.stop();
    await expect(outcome).rejects.toThrow();
  });

  it('does not start on a bundle that does not load', async () => {
    await expect(start('throw new Error("broken bundle");')).rejects.toThrow(/broken bundle/);
  });
});
