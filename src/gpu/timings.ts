/** Timings of kernels, and what is kept of them between runs. */
import { bestOf, isTuning, type Tuning } from './contest.ts';
import type { KernelQuestion, TuningStore, TuningSubject } from './tuning.ts';

/** Where timings are kept. */
export interface TimingsPlace {
  readonly subject: TuningSubject;
  readonly store: TuningStore;
  readonly key: string;
}

/** What a store holds under a key. */
export interface KeptTunings {
  readonly format: typeof FORMAT;
  readonly subject: Pick<TuningSubject, 'adapter' | 'library' | 'digest'>;
  /** Of the subject. */
  readonly kernels: string;
  readonly tunings: readonly Tuning[];
}

/** 2: the kernels have a digest of their own. */
const FORMAT = 2;

export class Timings {
  readonly #place: TimingsPlace | undefined;
  readonly #tunings = new Map<string, Tuning>();
  #writing: Promise<void> = Promise.resolve();

  /** @param place undefined: nowhere */
  constructor(place: TimingsPlace | undefined) {
    this.#place = place;
  }

  /** In the order in which they came. */
  get all(): readonly Tuning[] {
    return [...this.#tunings.values()];
  }

  /** Whether there are any for a question. */
  has(key: string): boolean {
    return this.#tunings.has(key);
  }

  /** The candidate that they speak for. */
  best<Name extends string>({ key, candidates }: KernelQuestion<Name>): Name | undefined {
    const tuning = this.#tunings.get(key);
    return tuning && bestOf(tuning, candidates);
  }

  /** Takes over what the store holds. @throws LoadError */
  async take(text: string): Promise<void> {
    for (const tuning of await this.#valid(text)) this.#tunings.set(tuning.key, tuning);
  }

  /** Adds one, and keeps it with the others. @throws LoadError */
  async keep(tuning: Tuning): Promise<void> {
    this.#tunings.set(tuning.key, tuning);
    const place = this.#place;
    if (!place) return;
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write(place));
    await this.#writing;
  }

  /** Those of a text that hold for the subject and its kernels. */
  async #valid(text: string | undefined): Promise<readonly Tuning[]> {
    const kept = text === undefined ? undefined : parseTunings(text);
    const subject = this.#place?.subject;
    if (!kept || kept.subject.digest !== subject?.digest) return [];
    return kept.kernels === (await subject.kernels()) ? kept.tunings : [];
  }

  async #write({ subject, store, key }: TimingsPlace): Promise<void> {
    // Another process may have kept others meanwhile.
    const text = await store.read(key).catch(() => undefined);
    const merged = new Map((await this.#valid(text)).map((tuning) => [tuning.key, tuning]));
    for (const tuning of this.all) merged.set(tuning.key, tuning);
    const { adapter, library, digest } = subject;
    const kept: KeptTunings = {
      format: FORMAT,
      subject: { adapter, library, digest },
      kernels: await subject.kernels(),
      tunings: [...merged.values()],
    };
    await store.write(key, JSON.stringify(kept)).catch(() => {});
  }
}

/** What a store holds, or undefined for a text that is none of this library's. */
export function parseTunings(text: string): KeptTunings | undefined {
  try {
    const kept = JSON.parse(text) as Partial<KeptTunings> | null;
    const { adapter, library, digest } = kept?.subject ?? {};
    const isDescribed = [adapter, library, digest, kept?.kernels].every((part) => typeof part === 'string');
    const isKept =
      kept?.format === FORMAT && isDescribed && Array.isArray(kept.tunings) && kept.tunings.every(isTuning);
    return isKept ? (kept as KeptTunings) : undefined;
  } catch {
    return undefined;
  }
}
