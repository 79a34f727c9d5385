/**
 * What stands in for vitest where vitest cannot run: the bundle of GPU tests takes its `describe` and `it` from here.
 * It only collects; the runtime's host then asks for one test after the other, so that each is reported on its own.
 */

export interface CollectedTest {
  /** File, enclosing describes and the test's own name. */
  readonly name: string;
  readonly timeoutMs: number;
}

export interface Outcome {
  readonly ms: number;
  /** Message and stack of what was thrown; absent when the test passed. */
  readonly error?: string;
}

/** As vitest.config.ts has it. */
const DEFAULT_TIMEOUT_MS = 180_000;

const collected: (CollectedTest & { readonly body: () => unknown })[] = [];
/** Names of the file and the describes that are being collected. */
const path: string[] = [];

export function describe(name: string, body: () => void): void {
  path.push(name);
  try {
    body();
  } finally {
    path.pop();
  }
}

export function it(name: string, body: () => unknown, timeoutMs = DEFAULT_TIMEOUT_MS): void {
  collected.push({ name: [...path, name].join(' > '), timeoutMs, body });
}

/** Collects the tests of one file. A file that does not load is a test that fails. */
export async function collectFile(file: string, load: () => Promise<unknown>): Promise<void> {
  path.push(file);
  try {
    await load();
  } catch (error) {
    it('loads', () => {
      throw error;
    });
  } finally {
    path.pop();
  }
}

export function listTests(): CollectedTest[] {
  return collected.map(({ name, timeoutMs }) => ({ name, timeoutMs }));
}

/** Runs the test at `index` of the list. */
export async function runTest(index: number): Promise<Outcome> {
  const { body, timeoutMs } = collected[index]!;
  const start = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the test took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), timeout]);
    return { ms: performance.now() - start };
  } catch (error) {
    return { ms: performance.now() - start, error: describeError(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Engines differ in whether the stack begins with the message. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const title = `${error.name}: ${error.message}`;
  const stack = error.stack ?? '';
  return stack.includes(error.message) ? stack : `${title}\n${stack}`;
}
