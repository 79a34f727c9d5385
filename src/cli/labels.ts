/** Names of classes: where they come from. */
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
