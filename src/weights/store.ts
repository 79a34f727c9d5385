/** Where bytes come from, and files that a page was handed. Addresses are in fetch-store.ts, Node's files in src/node/files.ts. */
import { WeightsError } from '../errors.ts';
import type { Sha256 } from './incremental-sha256.ts';

/** What Hugging Face's libraries call the index of sharded safetensors. */
export const INDEX_NAME = 'model.safetensors.index.json';

/** An open file: its size where known for sure, and its bytes. */
export interface ByteSource {
  /** Bytes of the whole file. */
  readonly size: number | undefined;
  /** To be read once. */
  readonly stream: ReadableStream<Uint8Array>;
  /**
   * Tells these bytes from all others that were or will be at this location, where the store knows that: then reading can go
   * on behind a break.
   */
  readonly version?: string;
  /** Bytes of the file before the stream's first: 0, which is the default, or what `from` asked for. */
  readonly start?: number;
}

/** Where to go on in a file of which the beginning has come. */
export interface ResumePoint {
  /** Bytes that have come. */
  readonly start: number;
  /** What a ByteSource said of the file that they came from. */
  readonly version: string;
  /** Of that file, where known. */
  readonly size?: number;
}

/** What a store is told of a file that it opens. */
export interface OpenOptions {
  /** Stops the reading. */
  readonly signal?: AbortSignal;
  /** What the file must have, in hexadecimal: for a cache, which keeps it by that. */
  readonly sha256?: string;
  /** What the file must have, in bytes. */
  readonly size?: number;
  /** Where to begin. A store that cannot, or has another version by now, begins at 0, and the source says so. */
  readonly from?: ResumePoint;
  /** The file says which others to read: a cache gives what it kept only where the file itself cannot be had. */
  readonly mayChange?: boolean;
}

/**
 * A place with files. Its methods reject with any Error whose message says why; whoever reads adds which file, and
 * which tensor was looked for.
 */
export interface ByteStore {
  /** The file to read first for what the user named: itself, or where that is a folder, the weights file in it. */
  locate(location: string): Promise<string>;
  /** The location of a file named relative to another, as a model.json names its shards. */
  resolve(base: string, relative: string): string;
  /** Opens a file that locate() or resolve() named. */
  open(location: string, options: OpenOptions): Promise<ByteSource>;
  /** The runtime's own SHA-256, if it is faster than one in JavaScript. */
  createSha256?(): Sha256;
}

/** The same store, opening files in another way. */
export function withOpen(store: ByteStore, open: ByteStore['open']): ByteStore {
  return {
    locate: (location) => store.locate(location),
    resolve: (base, relative) => store.resolve(base, relative),
    createSha256: store.createSha256 && (() => store.createSha256!()),
    open,
  };
}

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
