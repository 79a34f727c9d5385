/** Which classes a text means, and how messages name a class. */
import { OptionError } from './errors.ts';

/** The index of a class and its names, as messages show it: '281 (tabby, tabby cat)'. */
export function classTitle(index: number, label: string | undefined): string {
  return label === undefined ? `class ${index}` : `${index} (${label})`;
}

/**
 * Classes for a text: indices and names with commas between them. A name is any one of a label's synonyms,
 * or the whole label, in any case.
 *
 * @param option names the choice in messages
 * @returns indices in the order given, each once. An index is not checked against the model's classes.
 * @throws OptionError if a name is unknown or means several classes.
 */
export function findClasses(text: string, labels: readonly string[] | undefined, option = '--class'): number[] {
  const whole = labels ? indicesWhere(labels, (label) => normal(label) === normal(text)) : [];
  if (whole.length === 1) return whole;
  const parts = text.split(',').map((part) => findClass(part.trim(), labels, option));
  return [...new Set(parts)];
}

/** The one class that the text means; see findClasses(). */
export function findOneClass(text: string, labels: readonly string[] | undefined, option: string): number {
  const classes = findClasses(text, labels, option);
  if (classes.length > 1) throw new OptionError(option, text, 'one class');
  return classes[0]!;
}

function findClass(name: string, labels: readonly string[] | undefined, option: string): number {
  if (/^[+-]?\d+$/.test(name)) return Number(name);
  if (!labels) {
    throw new OptionError(
      option,
      name,
      `an index: the names of the classes are not known; give them with ${option.startsWith('--') ? '--labels' : 'labels'}`,
    );
  }
  const named = indicesWhere(labels, (label) => label.split(',').some((synonym) => normal(synonym) === normal(name)));
  if (named.length === 1) return named[0]!;
  if (named.length > 1) {
    throw new OptionError(option, name, `one class; the name is that of several: ${titles(named, labels)}`);
  }
  const near = indicesWhere(labels, (label) => normal(label).includes(normal(name)));
  const suggested = near.length > 0 ? near : [...labels.keys()];
  throw new OptionError(option, name, `an index or a name of a class, such as ${titles(suggested, labels)}`);
}

function titles(indices: readonly number[], labels: readonly string[]): string {
  const shown = indices.slice(0, 8).map((index) => classTitle(index, labels[index]));
  return [...shown, ...(indices.length > shown.length ? ['…'] : [])].join('; ');
}

function indicesWhere(labels: readonly string[], matches: (label: string) => boolean): number[] {
  return labels.flatMap((label, index) => (matches(label) ? [index] : []));
}

function normal(name: string): string {
  return name.trim().toLowerCase().replace(/\s+/g, ' ');
}
