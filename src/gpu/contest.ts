/**
 * Kernels that compute the same, timed against each other: the results of a first run are compared, the slow ones are dropped
 * after it and the less slow ones after the next (in the manner of successive halving, Jamieson and Talwalkar 2016), and every
 * timing is kept.
 */
import { AbortError, DeviceLostError, throwIfAborted } from '../errors.ts';

/** A kernel that takes part. */
export interface Contestant<Name extends string = string> {
  readonly name: Name;
  /** Greatest error allowed, relative to the reference's greatest value. */
  readonly tolerance: number;
  /** It takes part to say what is right, and is not timed. */
  readonly isOnlyReference?: boolean;
  /** Compiles it, so that its first run is like any other. Called for all contestants at once. */
  prepare(): Promise<void>;
  /** Runs it once on cleared outputs, and gives these, or a part of them, with the run's milliseconds. */
  firstRun(): Promise<{ readonly values: Float32Array; readonly ms: number }>;
  /** Milliseconds of that many runs in a row. */
  time(repeats: number): Promise<number>;
}

/** How one candidate did. */
export interface CandidateTiming<Name extends string = string> {
  /** The kernel's. */
  readonly name: Name;
  /** Of one run each, in milliseconds, in the order in which they were timed; none where it was disqualified before. */
  readonly ms: readonly number[];
  /** Greatest difference from the reference's values, relative to their greatest. */
  readonly error?: number;
  /** Why it cannot be chosen. */
  readonly disqualified?: string;
}

/** The answer to a question, with all that led to it. */
export interface Tuning<Name extends string = string> {
  /** The question's. */
  readonly key: string;
  /** What was computed for it, where that is not the whole. */
  readonly measuredOn: string;
  /** In the order of the question, the best guess first. */
  readonly candidates: readonly CandidateTiming<Name>[];
}

export interface ContestOptions {
  /** Checked before and after each run: a timing during which it fired is none. */
  signal?: AbortSignal;
  /** Timed runs of those that are not dropped. */
  rounds?: number;
  /**
   * Candidates are dropped if their fastest run took so much longer than the best's: the factors for after the first timed run,
   * the second, and so on; the last holds from there on.
   */
  dropFactors?: readonly number[];
}

/** One run may have been disturbed; the more there are, the surer is what is slow. */
const DROP_FACTORS = [1.5, 1.25, 1.1];

/** A timed run is repeated until it takes about so long, and the fixed cost of a submit no longer shows. */
const ENOUGH_MS = 3;
const MOST_REPEATS = 64;
/** Timestamps may be as coarse as this: a shorter run tells nothing of itself. */
const LEAST_MS = 0.05;
/** What another candidate must be faster by than the best guess: below it is noise, and choices should not flicker. */
const MARGIN = 1.03;

/**
 * @param contestants the best guess first
 * @param reference name of the one whose results are right
 * @returns what was measured of each, in the same order
 * @throws AbortError, DeviceLostError; whatever else a contestant throws disqualifies it
 */
export async function contest<Name extends string>(
  contestants: readonly Contestant<Name>[],
  reference: Name,
  { signal, rounds = 4, dropFactors = DROP_FACTORS }: ContestOptions = {},
): Promise<CandidateTiming<Name>[]> {
  const entries = contestants.map((contestant) => new Entry(contestant));
  const referee = entries.find(({ contestant }) => contestant.name === reference);
  if (!referee) throw new Error(`the reference ${reference} is not among the contestants`);
  await settle(entries.map((entry) => entry.attempt(signal, (contestant) => contestant.prepare())));

  await referee.attempt(signal, async (contestant) => {
    const { values, ms } = await contestant.firstRun();
    referee.judge(values, values, ms);
    if (contestant.isOnlyReference) referee.disqualify('it cannot be chosen here, and only says what is right');
  });
  const expected = referee.values;
  for (const entry of entries) {
    if (entry === referee) continue;
    if (expected) {
      await entry.attempt(signal, async (contestant) => {
        const { values, ms } = await contestant.firstRun();
        entry.judge(values, expected, ms);
      });
    } else {
      entry.disqualify(`there is no result of ${reference} to compare its own with`);
    }
  }

  const [guess] = entries.filter(({ isIn }) => isIn);
  const repeats = Math.min(MOST_REPEATS, Math.ceil(ENOUGH_MS / Math.max(LEAST_MS, guess?.firstMs ?? LEAST_MS)));
  // Long enough to count as the timed runs of the first round.
  if (repeats === 1) for (const entry of entries) if (entry.isIn) entry.record(entry.firstMs);
  for (let round = 0; round < rounds; round++) {
    const racing = entries.filter(({ isIn }) => isIn);
    if (round > 0) {
      const factor = dropFactors[Math.min(round, dropFactors.length) - 1]!;
      const best = Math.min(...racing.map(({ fastest }) => fastest));
      for (const entry of racing) if (entry.fastest > factor * best) entry.isDropped = true;
    }
    const left = racing.filter(({ isDropped }) => !isDropped);
    // Whoever is alone has won.
    if (round > 0 && left.length < 2) break;
    for (const entry of round % 2 === 0 ? left : left.toReversed()) {
      if (entry.runs > round) continue;
      await entry.attempt(signal, async (contestant) => entry.record((await contestant.time(repeats)) / repeats));
    }
  }
  return entries.map((entry) => entry.timing());
}

/** Waits for all, and only then throws what one of them threw: none goes on behind the caller's back. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

class Entry<Name extends string> {
  readonly contestant: Contestant<Name>;
  readonly #ms: number[] = [];
  #error: number | undefined;
  #disqualified: string | undefined;
  values: Float32Array | undefined;
  /** Of the run that made the values. */
  firstMs = Number.NaN;
  isDropped = false;

  constructor(contestant: Contestant<Name>) {
    this.contestant = contestant;
  }

  get isIn(): boolean {
    return this.#disqualified === undefined && !this.isDropped;
  }

  get runs(): number {
    return this.#ms.length;
  }

  get fastest(): number {
    return Math.min(...this.#ms);
  }

  disqualify(reason: string): void {
    this.#disqualified ??= reason;
  }

  /** Does something with it, unless it is out; it is, if that fails. */
  async attempt(signal: AbortSignal | undefined, work: (contestant: Contestant<Name>) => Promise<void>): Promise<void> {
    throwIfAborted(signal);
    if (!this.isIn) return;
    try {
      await work(this.contestant);
    } catch (error) {
      if (error instanceof AbortError || error instanceof DeviceLostError) throw error;
      this.disqualify(error instanceof Error ? error.message : String(error));
    }
    throwIfAborted(signal);
  }

  judge(values: Float32Array, expected: Float32Array, ms: number): void {
    const { tolerance } = this.contestant;
    this.values = values;
    this.firstMs = ms;
    this.#error = relativeError(values, expected);
    // Not a number is no agreement either.
    if (this.#error <= tolerance) return;
    this.values = undefined;
    this.disqualify(
      `its result is off by ${this.#error.toPrecision(2)} of the greatest value; allowed is ${tolerance}`,
    );
  }

  record(ms: number): void {
    if (ms > 0) this.#ms.push(ms);
    else this.disqualify(`its time came out as ${ms} ms`);
  }

  timing(): CandidateTiming<Name> {
    const { name } = this.contestant;
    const [error, disqualified] = [this.#error, this.#disqualified];
    return {
      name,
      ms: this.#ms,
      ...(error === undefined || !Number.isFinite(error) ? {} : { error }),
      ...(disqualified === undefined ? {} : { disqualified }),
    };
  }
}

/** max|y - ref| / max|ref|; NaN where any value is not finite or all of the reference are zero. */
function relativeError(values: Float32Array, expected: Float32Array): number {
  if (values.length !== expected.length) return Number.NaN;
  let difference = 0;
  let greatest = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(values[i] - expected[i]));
    greatest = Math.max(greatest, Math.abs(expected[i]));
  }
  return Number.isFinite(greatest) ? difference / greatest : Number.NaN;
}

/**
 * The fastest candidate of those asked for, by its fastest run: whatever disturbs a run makes it longer. The best guess
 * where none is clearly faster; undefined where none has been timed.
 */
export function bestOf<Name extends string>({ candidates }: Tuning, asked: readonly Name[]): Name | undefined {
  const timed = candidates.flatMap(({ name, ms, disqualified }) => {
    const wanted = asked.find((other) => other === name);
    if (wanted === undefined || disqualified !== undefined || ms.length === 0) return [];
    return [{ name: wanted, fastest: Math.min(...ms) }];
  });
  const best = Math.min(...timed.map(({ fastest }) => fastest));
  return timed.find(({ name, fastest }) => (name === asked[0] ? fastest <= best * MARGIN : fastest === best))?.name;
}

/** Whether a value is a tuning, as far as choices depend on it. */
export function isTuning(value: unknown): value is Tuning {
  const { key, measuredOn, candidates } = (value ?? {}) as Partial<Tuning>;
  return (
    typeof key === 'string' &&
    typeof measuredOn === 'string' &&
    Array.isArray(candidates) &&
    candidates.every((candidate: Partial<CandidateTiming> | null) => {
      const { name, ms, error, disqualified } = candidate ?? {};
      const isTime = (time: unknown) => typeof time === 'number' && time > 0 && Number.isFinite(time);
      const isOptional = (part: unknown, type: string) => part === undefined || typeof part === type;
      const hasTimes = Array.isArray(ms) && ms.every(isTime);
      return typeof name === 'string' && hasTimes && isOptional(error, 'number') && isOptional(disqualified, 'string');
    })
  );
}
