/**
 * Which of several kernels that compute the same is used: a matter of the adapter, the shape and n, never of a batch.
 * By measurements where there are any (see contest.ts), else by the rule that orders the candidates.
 */
import { OptionError } from '../errors.ts';
import { onDemand } from '../on-demand.ts';
import type { Tuning } from './contest.ts';
import type { Timings } from './timings.ts';
import type { KernelChooser, KernelQuestion, TuningStore, TuningSubject } from './tuning.ts';

/** 'off': by rule. 'cached': by the timings that were kept, else by rule. 'full': what has none is timed when the GPU is idle. */
export const TUNE_MODES = ['off', 'cached', 'full'] as const;
/**
 * Whether kernels are chosen by rule ('off'), by timings that were kept ('cached'), or by such that are made meanwhile
 * ('full').
 */
export type TuneMode = (typeof TUNE_MODES)[number];

/** How kernels are chosen among those that compute the same. */
export interface TunerOptions {
  /** Default 'cached'. */
  tune?: TuneMode;
  /** Where timings are kept between runs; false for nowhere. Default in browsers: IndexedDB; in Node see requestNodeGpu. */
  tuningStore?: TuningStore | false;
  /** Name of a kernel to use wherever it can be, whatever is faster: for tests and measurements. */
  forceVariant?: string;
}

export class Tuner implements KernelChooser {
  readonly mode: TuneMode;
  readonly forced: string | undefined;
  readonly #store: TuningStore | undefined;
  #subject: TuningSubject | undefined;
  #loading: Promise<void> | undefined;
  /** Absent as long as there are none. */
  #timings: Timings | undefined;

  /** @throws OptionError for a mode that is none. */
  constructor({ tune = 'cached', tuningStore, forceVariant }: TunerOptions = {}) {
    if (!TUNE_MODES.includes(tune)) throw new OptionError('tune', tune, `one of ${TUNE_MODES.join(', ')}`);
    this.mode = tune;
    this.forced = forceVariant;
    this.#store = tuningStore || undefined;
  }

  /** Timings in force, in the order in which they came. */
  get tunings(): readonly Tuning[] {
    return this.#timings?.all ?? [];
  }

  choose<Name extends string>(question: KernelQuestion<Name>): Name {
    const { key, candidates } = question;
    const first = candidates[0];
    if (first === undefined) throw new Error(`there is no kernel for ${key}`);
    const forced = candidates.find((name) => name === this.forced);
    if (forced !== undefined || this.mode === 'off') return forced ?? first;
    return this.#timings?.best(question) ?? first;
  }

  /** Whether a question would be answered better by a measurement. */
  isOpen({ key, candidates }: KernelQuestion): boolean {
    return candidates.length > 1 && !this.#timings?.has(key);
  }

  /**
   * Reads what was kept for the subject, once; later calls wait for the first. What cannot be read, or is no such record,
   * counts as nothing.
   *
   * @throws LoadError
   */
  async load(describe: () => Promise<TuningSubject>): Promise<void> {
    if (this.mode === 'off') return;
    this.#loading ??= this.#load(describe);
    this.#loading.catch(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  /**
   * Answers questions from now on, in this process and, after load(), in later ones.
   *
   * @throws LoadError
   */
  async keep(tuning: Tuning): Promise<void> {
    await (await this.#open()).keep(tuning);
  }

  async #load(describe: () => Promise<TuningSubject>): Promise<void> {
    this.#subject = await describe();
    const text = await this.#store?.read(storeKey(this.#subject)).catch(() => undefined);
    if (text !== undefined) await (await this.#open()).take(text);
  }

  async #open(): Promise<Timings> {
    const { Timings } = await onDemand('what keeps the timings of kernels', () => import('./timings.ts'));
    const subject = this.#subject;
    this.#timings ??= new Timings(subject && this.#store && { subject, store: this.#store, key: storeKey(subject) });
    return this.#timings;
  }
}

function storeKey({ digest }: TuningSubject): string {
  return `tuning-${digest}`;
}
