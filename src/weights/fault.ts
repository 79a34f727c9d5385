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

  async inWords(): Promise<Error> {
    const faults = await onDemand('what says what is wrong with weights', () => import('./faults.ts'));
    return (faults[this.#name] as (...details: Parameters<Faults[Name]>) => Error)(...this.#details);
  }
}

/** An error as callers see it. @throws LoadError */
export async function inWords(error: unknown): Promise<unknown> {
  return error instanceof Fault ? error.inWords() : error;
}
