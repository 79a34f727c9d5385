/** Repeated measurements, taken in turn so that a machine whose speed drifts treats all alike. */

export interface Summary {
  readonly median: number;
  /** The least and the greatest of the values. */
  readonly spread: readonly [least: number, greatest: number];
  readonly runs: number;
}

export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('a summary needs at least one value');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, spread: [sorted[0]!, sorted.at(-1)!], runs: sorted.length };
}

/** How often to measure. */
export interface Effort {
  /** Rounds wanted; every contestant is measured once in each. */
  readonly runs: number;
  /** No round is begun after this long, but the first one always is. */
  readonly budgetMs: number;
}

export const FULL_EFFORT: Effort = { runs: 5, budgetMs: 600_000 };
/** To see that it works, not to quote. */
export const QUICK_EFFORT: Effort = { runs: 2, budgetMs: 60_000 };

/**
 * Measures contestants in turn: A B C, C B A, A B C, …, so that neither drift nor a place in the round favours one.
 *
 * @param contestants do their work once and return the value measured
 * @returns the values of each, those of one round at the same index
 */
export async function interleave<Name extends string, Value>(
  contestants: Readonly<Record<Name, () => Promise<Value>>>,
  { runs, budgetMs }: Effort,
): Promise<Record<Name, Value[]>> {
  const names = Object.keys(contestants) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as Value[]])) as Record<Name, Value[]>;
  const started = performance.now();
  for (let round = 0; round < runs; round++) {
    if (round > 0 && performance.now() - started >= budgetMs) break;
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) values[name].push(await contestants[name]());
  }
  return values;
}

export interface Duration {
  /** By the clock on the wall. */
  readonly ms: number;
  /**
   * Of all threads of this process, those of a software adapter among them: what else the machine does hardly adds to it.
   * Node alone can tell.
   */
  readonly cpuMs?: number;
}

/** How long `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<Duration> {
  const started = performance.now();
  const cpuStarted = cpuMsSoFar();
  await work();
  const ms = performance.now() - started;
  return cpuStarted === undefined ? { ms } : { ms, cpuMs: cpuMsSoFar()! - cpuStarted };
}

/** Browsers have no `process`. */
function cpuMsSoFar(): number | undefined {
  const usage = (globalThis as { process?: Partial<NodeJS.Process> }).process?.cpuUsage?.();
  return usage && (usage.user + usage.system) / 1000;
}

/** What decides which clock counts. */
export interface Clock {
  /** The adapter is the processor itself. */
  readonly isSoftware: boolean;
  /** Of the machine. */
  readonly cores: number;
}

/**
 * The milliseconds that speeds and ratios are made of. On a GPU those of the wall clock. On a software adapter, which
 * shares the processor with whatever else runs, CPU time over the number of cores: the wall clock's on an idle machine.
 */
export function countedMs({ ms, cpuMs }: Duration, { isSoftware, cores }: Clock): number {
  return isSoftware && cpuMs !== undefined ? cpuMs / cores : ms;
}

/** More repeats would only lengthen a run that is dominated by something else. */
const MOST_REPEATS = 1024;

/**
 * How often to repeat a short piece of work within one run so that the run takes `enoughMs`, and the fixed cost of a run no
 * longer shows.
 *
 * @param run does the work that many times and returns the milliseconds
 */
export async function enoughRepeats(run: (repeats: number) => Promise<number>, enoughMs: number): Promise<number> {
  let repeats = 1;
  while (repeats < MOST_REPEATS) {
    const ms = await run(repeats);
    if (ms >= enoughMs) break;
    // In steps: the first, short runs say more of the fixed cost than of the work.
    const growth = Math.min(8, Math.max(2, Math.ceil(enoughMs / ms)));
    repeats = Math.min(MOST_REPEATS, repeats * growth);
  }
  return repeats;
}
