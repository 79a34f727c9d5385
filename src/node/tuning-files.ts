/** Timings of kernels in files: one for each adapter, device, library and set of shaders. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeptTunings, parseTunings } from '../gpu/timings.ts';
import type { TuningStore } from '../gpu/tuning.ts';
import { cacheFolder } from './cache-folder.ts';
import { writeFilesAtomically } from './output.ts';

/** `tuning` in GRADCAM_CACHE or the operating system's cache folder. */
export function tuningFolder(): string {
  return join(cacheFolder(), 'tuning');
}

/**
 * A store of kernels' timings in files.
 *
 * @param folder made when the first timings are kept; default: `tuning` in GRADCAM_CACHE or the system's cache folder
 */
export function tuningFiles(folder: string = tuningFolder()): TuningStore {
  const nameOf = (key: string) => `${key}.json`;
  return {
    read: (key) => readFile(join(folder, nameOf(key)), 'utf8').catch(() => undefined),
    write: async (key, text) => {
      await writeFilesAtomically(folder, new Map([[nameOf(key), text]]));
    },
  };
}

/** Everything that is kept in the folder; files that are no timings are passed over. */
export async function readAllTunings(folder: string = tuningFolder()): Promise<KeptTunings[]> {
  const names = (await readdir(folder).catch(() => [])).filter(
    (name) => name.endsWith('.json') && !name.startsWith('.'),
  );
  const texts = await Promise.all(names.sort().map((name) => readFile(join(folder, name), 'utf8').catch(() => '')));
  return texts.flatMap((text) => parseTunings(text) ?? []);
}
