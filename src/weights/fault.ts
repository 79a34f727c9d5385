import { WeightsError } from '../errors.ts';
import { onDemand } from '../on-demand.ts';

type Faults = typeof import('./faults.ts');

/** What is wrong with weights, by its name in faults.ts, on its way to where inWords() makes the WeightsError of it. */
export class Fault<Name extends keyof Faults = keyof Faults> extends Error {
  readonly #name: Name;
  readonly #details: Parameters<Faults[Name]>;

  constructor(name: Name, ...details: Parameters<Faults[Name]>) {
    super(name);
    this.#name = name;
    this.#details = details;
  }

  /** In few words where those of faults.ts do not come. */
  async inWords(): Promise<WeightsError> {
    try {
      const faults = await onDemand('what says more', () => import('./faults.ts'));
      return (faults[this.#name] as (...details: Parameters<Faults[Name]>) => WeightsError)(...this.#details);
    } catch (cause) {
      const [at] = this.#details;
      const place = typeof at === 'string' ? { file: at } : at;
      return new WeightsError(`broken, or not what is needed (${this.#name}); ${(cause as Error).message}`, place, {
        cause,
      });
    }
  }
}

/** An error as callers see it. */
export async function inWords(error: unknown): Promise<unknown> {
  return error instanceof Fault ? error.inWords() : error;
}
