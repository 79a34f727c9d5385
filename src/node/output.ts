/** Files that appear complete or not at all. */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, parse, resolve } from 'node:path';
import { OptionError } from '../errors.ts';

/** The name that results are built on: the file's, without folder and last extension. */
export function stemOf(file: string): string {
  return parse(file).name;
}

/** Contents by file name. */
export type OutputFiles = ReadonlyMap<string, Uint8Array | string>;

/**
 * Writes files into a folder, which is made if need be. They are written under temporary names and renamed when all of
 * them are on the disk: on a failure, or when `signal` fires, nothing half-written stays.
 *
 * @returns the paths, in the files' order.
 */
export async function writeFilesAtomically(
  folder: string,
  files: OutputFiles,
  signal?: AbortSignal,
): Promise<string[]> {
  await makeFolder(folder);
  const temporary: string[] = [];
  const paths: string[] = [];
  try {
    for (const [name, content] of files) {
      const path = join(folder, `.${name}.${randomUUID()}.partial`);
      temporary.push(path);
      await writeFile(path, content, { flag: 'wx', signal });
    }
    for (const [index, name] of [...files.keys()].entries()) {
      const path = join(folder, name);
      await rename(temporary[index]!, path);
      paths.push(path);
    }
    return paths;
  } finally {
    await Promise.all(temporary.map((path) => rm(path, { force: true })));
  }
}

/**
 * Makes a folder, and those above it. Node's own recursive mkdir never ends where the system denies a folder in one that is
 * there by saying that there is none, as in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path).catch(async (error) => {
    // Another process may have been faster.
    if (!(await isFolder(path))) throw error;
  });
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * Checks, without making it, that a folder for results can be made.
 *
 * @param option names the choice in messages.
 * @throws OptionError if a file is in the way.
 */
export async function checkOutputFolder(option: string, folder: string): Promise<void> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) return;
    if (found) throw new OptionError(option, folder, `a folder; ${path} is a file`);
    if (path === dirname(path)) return;
  }
}
