import { throwIfAborted } from '../errors.ts';

/** Something in the engine that is asked for once, used often, and given back. */
export class Held<T extends { release(): void }> {
  #asked: { readonly promise: Promise<T>; readonly abort: AbortController } | undefined;
  #current: T | undefined;

  /** What is there by now. */
  get current(): T | undefined {
    return this.#current;
  }

  /** What is held; made now if nothing is, or what was made before failed. */
  get(make: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#asked) return this.#asked.promise;
    const abort = new AbortController();
    const promise = this.#make(make, abort.signal);
    this.#asked = { promise, abort };
    promise.catch(() => {
      if (this.#asked?.promise === promise) this.#asked = undefined;
    });
    return promise;
  }

  /** Gives it back; what is still being made is stopped with an AbortError. */
  drop(): void {
    this.#asked?.abort.abort();
    this.#asked = undefined;
    this.#current?.release();
    this.#current = undefined;
  }

  async #make(make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const made = await make(signal);
    if (signal.aborted) made.release();
    throwIfAborted(signal);
    this.#current = made;
    return made;
  }
}
