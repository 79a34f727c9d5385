/** Work for when nobody needs the GPU: one piece after the other, and only while no job is under way. */

/** What runs between jobs ends after this long; what is left waits for the end of the next one. */
const BUDGET_MS = 2000;
/** A job that follows at once shall not have to wait. */
const QUIET_MS = 20;

/** @param signal fires when a job begins: the piece then ends as soon as it can, and is tried again later */
export type IdleTask = (signal: AbortSignal) => Promise<void>;

export class IdleWork {
  readonly #tasks = new Map<string, IdleTask>();
  readonly #budgetMs: number;
  #jobs = 0;
  #current: AbortController | undefined;
  #working: Promise<void> | undefined;
  /** The time until the next job is used up. */
  #isSpent = false;
  #isStopped = false;

  constructor(budgetMs = BUDGET_MS) {
    this.#budgetMs = budgetMs;
  }

  /** A job is under way until the function that this returns is called. */
  enter(): () => void {
    this.#jobs++;
    this.#current?.abort();
    let isLeft = false;
    return () => {
      if (isLeft) return;
      isLeft = true;
      this.#jobs--;
      this.#isSpent = false;
      this.#begin();
    };
  }

  /** Adds a piece unless one with its key is waiting. One that fails is not tried again. */
  add(key: string, task: IdleTask): void {
    if (this.#isStopped || this.#tasks.has(key)) return;
    this.#tasks.set(key, task);
    this.#begin();
  }

  /** Resolves when nothing is being done: all is done, a job is under way, or the time between jobs is used up. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working;
  }

  /** Ends it for good. */
  stop(): void {
    this.#isStopped = true;
    this.#tasks.clear();
    this.#current?.abort();
  }

  get #isFree(): boolean {
    return this.#jobs === 0 && !this.#isStopped && !this.#isSpent && this.#tasks.size > 0;
  }

  #begin(): void {
    if (this.#working || !this.#isFree) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      // A job may have come and gone while the last piece was ending.
      this.#begin();
    });
  }

  async #work(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const deadline = performance.now() + this.#budgetMs;
    while (this.#isFree) {
      const [[key, task]] = this.#tasks;
      this.#current = new AbortController();
      const { signal } = this.#current;
      await task(signal).catch(() => {}); // nobody asked for it, so nobody is told
      if (!signal.aborted) this.#tasks.delete(key);
      if (performance.now() >= deadline) this.#isSpent = true;
    }
    this.#current = undefined;
  }
}
