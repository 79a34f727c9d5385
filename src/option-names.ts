/** Whether a call's options are among those that it knows: a misspelt one must not pass for its default. */
import { OptionError } from './errors.ts';

/** Every name of an options type; the compiler refuses a list that lacks one. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * @param call its name, for messages
 * @throws OptionError for a name that is not known, naming the nearest, for null, for options that are no object, and for a
 * `signal` or `onProgress` that is none.
 */
export function checkOptionNames<Options>(call: string, options: Options, known: OptionNames<Options>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionError(`options of ${call}`, options, 'an object such as {}');
  }
  const names = Object.keys(known);
  for (const [name, value] of Object.entries(options)) {
    if (!names.includes(name)) {
      const near = nearest(name, names);
      throw new OptionError(name, value, `${near ?? 'nothing of that name'}; ${call} takes ${names.join(', ')}`);
    }
    if (value === null) throw new OptionError(name, value, 'a value, or undefined for the default');
    if (value !== undefined) checkCallOption(name, value);
  }
}

/** What means the same in every call that takes it. */
function checkCallOption(name: string, value: unknown): void {
  if (name === 'signal' && typeof (value as AbortSignal).aborted !== 'boolean') {
    throw new OptionError(name, value, 'an AbortSignal');
  }
  if (name === 'onProgress' && typeof value !== 'function') throw new OptionError(name, value, 'a function');
}

/** What to add to a list of names that a value is none of: the name that was meant, if one looks like it. */
export function nearMiss(value: unknown, names: readonly string[]): string {
  const near = typeof value === 'string' ? nearest(value, names) : undefined;
  return near === undefined ? '' : `; the nearest is ${near}`;
}

/** The most similar, unless half of the letters are others. */
function nearest(name: string, names: readonly string[]): string | undefined {
  const distances = names.map((other) => editDistance(name.toLowerCase(), other.toLowerCase()));
  const least = Math.min(...distances);
  return least < name.length / 2 ? names[distances.indexOf(least)] : undefined;
}

/** Letters to insert, delete or replace (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
