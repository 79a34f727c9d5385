import { LoadError } from './errors.ts';

/**
 * Loads a part of the library that only some calls need: no page downloads it before. Bundlers make chunks of such parts;
 * tools/kernel-chunks.ts says which kernels share one.
 *
 * @param part what it is, for people
 * @throws LoadError
 */
export async function onDemand<Part>(part: string, load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (cause) {
    throw new LoadError(part, { cause });
  }
}
