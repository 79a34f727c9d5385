/** Tests that run in another runtime, reported here as tests of their own. */
import { afterAll, describe, it } from 'vitest';
import type { CollectedTest, Outcome } from './mini-vitest.ts';

/** Another runtime with the test bundle loaded. */
export interface RemoteRuntime {
  readonly tests: readonly CollectedTest[];
  /** Runs the test at `index`. Rejects when the runtime itself fails, with what it last said. */
  run(index: number): Promise<Outcome>;
  /** Ends the runtime, whatever it is doing. */
  stop(): Promise<void>;
}

/** The runtime times its tests itself; this much later it is not answering any more. */
const GRACE_MS = 15_000;

/** Defines one test for each test of the runtime. */
export function reportTests(name: string, remote: RemoteRuntime): void {
  if (remote.tests.length === 0) throw new Error(`${name} found no tests in its bundle`);
  let stopped: string | undefined;
  describe(name, () => {
    afterAll(() => remote.stop());
    remote.tests.forEach((test, index) => {
      const patienceMs = test.timeoutMs + GRACE_MS;
      const report = async () => {
        if (stopped !== undefined) throw new Error(stopped);
        const outcome = await answerWithin(patienceMs, remote.run(index));
        if (outcome === 'none') {
          stopped = `${name} was stopped, because it did not answer within ${patienceMs} ms in: ${test.name}`;
          await remote.stop();
          throw new Error(stopped);
        }
        if (outcome.error !== undefined) throw new RemoteFailure(name, outcome.error);
      };
      it(test.name, report, patienceMs + GRACE_MS);
    });
  });
}

/** Shows the remote stack, not the one of this file. */
class RemoteFailure extends Error {
  constructor(runtime: string, remoteError: string) {
    super(`in ${runtime}: ${remoteError}`);
    this.stack = this.message;
  }
}

async function answerWithin<T>(ms: number, answer: Promise<T>): Promise<T | 'none'> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<'none'>((resolve) => {
    timer = setTimeout(resolve, ms, 'none');
  });
  try {
    return await Promise.race([answer, patience]);
  } finally {
    clearTimeout(timer);
  }
}
