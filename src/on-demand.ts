import { LoadError, untilAborted } from './errors.ts';

/**
 * Loads a part of the library that only some calls need: no page downloads it before. Bundlers make chunks of such parts;
 * tools/kernel-chunks.ts says which kernels share one.
 *
 * @param part what it is, for people
 * @param signal ends the wait, not the loading
 * @throws LoadError, AbortError
 */
export function onDemand<Part>(part: string, load: () => Promise<Part>, signal?: AbortSignal): Promise<Part> {
  const loading = load().catch((cause) => {
    throw new LoadError(part, { cause });
  });
  return untilAborted(loading, signal);
}
