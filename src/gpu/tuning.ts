/** What is asked about kernels, and what timings answer. */

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

/** What timings hold for: another adapter, device or library has others, and so have other kernels. */
export interface TuningSubject {
  readonly adapter: string;
  readonly library: string;
  /** Digest of all that the timings depend on but the kernels, those two included. */
  readonly digest: string;
  /** Digest of the kernels: asked for where there are timings alone, because these may be many texts to load. */
  kernels(): Promise<string>;
}

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
