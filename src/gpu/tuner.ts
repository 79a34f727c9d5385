/**
 * Which of several kernels that compute the same is used: a matter of the adapter, the shape and n, never of a batch.
 * By measurements where there are any (see contest.ts), else by the rule that orders the candidates.
 */
import { OptionError } from '../errors.ts';
import { bestOf, isTuning, type Tuning } from './contest.ts';

/** A choice to make. */
export interface KernelQuestion<Name extends string = string> {
  /** What is computed, with all that the speed of the candidates depends on but the adapter. */
  readonly key: string;
  /** Kernels that can, the best guess first. */
  readonly candidates: readonly Name[];
}

/** Whatever makes choices. */
export interface KernelChooser {
  choose<Name extends string>(question: KernelQuestion<Name>): Name;
}

/** 'off': by rule. 'cached': by the timings that were kept, else by rule. 'full': what has none is timed when the GPU is idle. */
export const TUNE_MODES = ['off', 'cached', 'full'] as const;
/**
 * Whether kernels are chosen by rule ('off'), by timings that were kept ('cached'), or by such that are made meanwhile
 * ('full').
 */
export type TuneMode = (typeof TUNE_MODES)[number];

/**
 * Keeps texts between runs, by key. Its methods may fail at any time: then the tuner goes on without it. Others may read
 * and write the same key meanwhile.
 */
export interface TuningStore {
  /** The text under the key, if there is one. */
  read(key: string): Promise<string | undefined>;
  /** Keeps the text in place of an older one. */
  write(key: string, text: string): Promise<void>;
}

/** How kernels are chosen among those that compute the same. */
export interface TunerOptions {
  /** Default 'cached'. */
  tune?: TuneMode;
  /** Where timings are kept between runs; false for nowhere. Default in browsers: IndexedDB; in Node see requestNodeGpu. */
  tuningStore?: TuningStore | false;
  /** Name of a kernel to use wherever it can be, whatever is faster: for tests and measurements. */
  forceVariant?: string;
}

/** What timings hold for: another adapter, device, library or shader has others. */
export interface TuningSubject {
  readonly adapter: string;
  readonly library: string;
  /** Digest of all that the timings depend on, those two included. */
  readonly digest: string;
}

/** What a store holds under a key. */
export interface KeptTunings {
  readonly format: typeof FORMAT;
  readonly subject: TuningSubject;
  readonly tunings: readonly Tuning[];
}

const FORMAT = 1;

export class Tuner implements KernelChooser {
  readonly mode: TuneMode;
  readonly forced: string | undefined;
  readonly #store: TuningStore | undefined;
  readonly #tunings = new Map<string, Tuning>();
  #subject: Promise<TuningSubject> | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @throws OptionError for a mode that is none. */
  constructor({ tune = 'cached', tuningStore, forceVariant }: TunerOptions = {}) {
    if (!TUNE_MODES.includes(tune)) throw new OptionError('tune', tune, `one of ${TUNE_MODES.join(', ')}`);
    this.mode = tune;
    this.forced = forceVariant;
    this.#store = tuningStore || undefined;
  }

  /** Timings in force, in the order in which they came. */
  get tunings(): readonly Tuning[] {
    return [...this.#tunings.values()];
  }

  choose<Name extends string>({ key, candidates }: KernelQuestion<Name>): Name {
    const first = candidates[0];
    if (first === undefined) throw new Error(`there is no kernel for ${key}`);
    const forced = candidates.find((name) => name === this.forced);
    if (forced !== undefined || this.mode === 'off') return forced ?? first;
    const tuning = this.#tunings.get(key);
    return (tuning && bestOf(tuning, candidates)) ?? first;
  }

  /** Whether a question would be answered better by a measurement. */
  isOpen({ key, candidates }: KernelQuestion): boolean {
    return candidates.length > 1 && !this.#tunings.has(key);
  }

  /**
   * Reads what was kept for the subject, once; later calls wait for the first. What cannot be read, or is no such record,
   * counts as nothing.
   */
  async load(describe: () => Promise<TuningSubject>): Promise<void> {
    if (this.mode === 'off') return;
    this.#subject ??= describe().then(async (subject) => {
      for (const tuning of await this.#readKept(subject)) this.#tunings.set(tuning.key, tuning);
      return subject;
    });
    await this.#subject;
  }

  /** Answers questions from now on, in this process and, after load(), in later ones. */
  async keep(tuning: Tuning): Promise<void> {
    this.#tunings.set(tuning.key, tuning);
    const subject = await this.#subject;
    if (!subject || !this.#store) return;
    this.#writing = this.#writing.then(() => this.#write(subject));
    await this.#writing;
  }

  async #readKept(subject: TuningSubject): Promise<readonly Tuning[]> {
    const text = await this.#store?.read(storeKey(subject)).catch(() => undefined);
    const kept = text === undefined ? undefined : parseTunings(text);
    return kept?.subject.digest === subject.digest ? kept.tunings : [];
  }

  async #write(subject: TuningSubject): Promise<void> {
    // Another process may have kept others meanwhile.
    const merged = new Map((await this.#readKept(subject)).map((tuning) => [tuning.key, tuning]));
    for (const tuning of this.tunings) merged.set(tuning.key, tuning);
    const kept: KeptTunings = { format: FORMAT, subject, tunings: [...merged.values()] };
    await this.#store?.write(storeKey(subject), JSON.stringify(kept)).catch(() => {});
  }
}

function storeKey({ digest }: TuningSubject): string {
  return `tuning-${digest}`;
}

/** What a store holds, or undefined for a text that is none of this library's. */
export function parseTunings(text: string): KeptTunings | undefined {
  try {
    const kept = JSON.parse(text) as Partial<KeptTunings> | null;
    const { adapter, library, digest } = kept?.subject ?? {};
    const isSubject = [adapter, library, digest].every((part) => typeof part === 'string');
    const isKept = kept?.format === FORMAT && isSubject && Array.isArray(kept.tunings) && kept.tunings.every(isTuning);
    return isKept ? (kept as KeptTunings) : undefined;
  } catch {
    return undefined;
  }
}
