import { WeightsError } from '../errors.ts';
import { excerpt } from './json-values.ts';

/**
 * Where a shard is that a description of weights names.
 *
 * @param path as the description has it
 * @param file the description's name in messages
 * @param resolve turns the path into what the store opens; throws where that cannot be done
 */
export function resolveShard(path: unknown, file: string, resolve: (path: string) => string): string {
  // A description from the web must not point at another server, nor at the disk of whoever loads it.
  if (typeof path !== 'string' || path === '' || /^([a-z][a-z0-9+.-]*:|[/\\])/i.test(path)) {
    const name = file.slice(file.lastIndexOf('/') + 1);
    throw new WeightsError(`a shard path is not relative to ${name}`, { file, found: excerpt(path) });
  }
  try {
    return resolve(path);
  } catch (cause) {
    throw new WeightsError(`the shard ${path} cannot be found from here`, { file }, { cause });
  }
}
