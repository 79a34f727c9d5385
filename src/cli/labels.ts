/** Names of classes: where they come from, and which classes a name means. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OptionError } from '../errors.ts';

/**
 * Reads a JSON array of names, in the order of the class indices.
 *
 * @param option names the choice in messages.
 * @throws OptionError if the file cannot be read or is something else.
 */
export async function readLabels(option: string, file: string): Promise<string[]> {
  const labels = await parseLabels(file).catch((error: Error) => {
    throw new OptionError(option, file, `a JSON file (${error.message})`);
  });
  if (!labels) throw new OptionError(option, file, 'a JSON file with an array of strings, one for each class');
  return labels;
}

/** The file of labels that lies near weights on the disk, if there is one that can be read. */
export async function labelsNear(weights: string): Promise<string[] | undefined> {
  const found = await stat(weights).catch(() => undefined);
  if (!found) return undefined;
  const folder = found.isDirectory() ? weights : dirname(weights);
  const names = ['labels.json', 'imagenet-classes.json', join('..', '..', 'labels', 'imagenet-classes.json')];
  for (const name of names) {
    const labels = await parseLabels(join(folder, name)).catch(() => undefined);
    if (labels) return labels;
  }
  return undefined;
}

async function parseLabels(file: string): Promise<string[] | undefined> {
  const value: unknown = JSON.parse(await readFile(file, 'utf8'));
  const isLabels = Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string');
  return isLabels ? value : undefined;
}

/** The index of a class and its names, as messages show it: '281 (tabby, tabby cat)'. */
export function classTitle(index: number, label: string | undefined): string {
  return label === undefined ? `class ${index}` : `${index} (${label})`;
}

/**
 * Classes for the text of --class: indices and names with commas between them. A name is any one of a label's synonyms,
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
    throw new OptionError(option, name, 'an index: there are no labels here; name a file of them with --labels');
  }
  const named = indicesWhere(labels, (label) => label.split(',').some((synonym) => normal(synonym) === normal(name)));
  if (named.length === 1) return named[0]!;
  if (named.length > 1) {
    throw new OptionError(option, name, `one class; the name is that of several: ${titles(named, labels)}`);
  }
  const near = name === '' ? [] : indicesWhere(labels, (label) => normal(label).includes(normal(name)));
  const suggestion = near.length > 0 ? `, such as ${titles(near, labels)}` : '';
  throw new OptionError(option, name, `an index or a name of a class${suggestion}`);
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
