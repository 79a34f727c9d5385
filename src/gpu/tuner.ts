/** Which of several kernels that compute the same is used: a matter of the adapter, the shape and n, never of a batch. */

/** A choice to make. */
export interface KernelQuestion<Name extends string> {
  /** What is computed, with all that the speed of the candidates depends on but the adapter. */
  readonly key: string;
  /** Kernels that can, the best guess first. */
  readonly candidates: readonly Name[];
}

export class Tuner {
  readonly #forced: string | undefined;

  /** @param forced a kernel to use wherever it is a candidate, whatever is faster: for tests and measurements */
  constructor(forced?: string) {
    this.#forced = forced;
  }

  choose<Name extends string>({ key, candidates }: KernelQuestion<Name>): Name {
    const best = candidates[0];
    if (best === undefined) throw new Error(`there is no kernel for ${key}`);
    return candidates.find((name) => name === this.#forced) ?? best;
  }
}
