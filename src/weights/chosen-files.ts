/** Files that a page was handed, and which of several are the weights. */
import { WeightsError } from '../errors.ts';
import type { ByteStore } from './store.ts';

/** Files from a page's file input, or from a folder dropped on it. */
export function fileListStore(files: Iterable<File> | ArrayLike<File>): ByteStore {
  const byPath = new Map(Array.from(files, (file) => [file.webkitRelativePath || file.name, file]));
  return {
    locate: async () => findWeights([...byPath.keys()], 'the chosen files'),
    resolve: joinPath,
    async open(location) {
      const file = byPath.get(location);
      if (file === undefined) throw new Error('not among the chosen files');
      return { size: file.size, stream: file.stream() };
    },
  };
}

function joinPath(base: string, relative: string): string {
  const parts = base.split('/').slice(0, -1);
  for (const part of relative.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

/**
 * The weights among a folder's files: its model.json, the only index of .safetensors files, or the only such file; a single
 * file is taken as it is.
 *
 * @param folder its name in messages
 * @throws WeightsError if there is none, or no telling which.
 */
export function findWeights(paths: readonly string[], folder: string): string {
  const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);
  const models = paths.filter((path) => baseName(path) === 'model.json');
  const indices = paths.filter((path) => path.endsWith('.safetensors.index.json'));
  const safetensors = paths.filter((path) => path.endsWith('.safetensors'));
  const candidates = [models, indices, safetensors].find(({ length }) => length > 0) ?? [];
  if (candidates.length === 1) return candidates[0]!;
  const listed = candidates.length > 0 ? candidates : paths;
  throw new WeightsError(candidates.length > 0 ? 'several weights files' : 'no weights', {
    file: folder,
    expected: 'a model.json, an index of .safetensors files, or one .safetensors file',
    found: listed.length === 0 ? 'no files' : listed.slice(0, 5).join(', ') + (listed.length > 5 ? ', …' : ''),
  });
}
