/** Where bytes come from: `fetch`, or files that a page was handed. Node's file system is in src/node/files.ts. */
import { WeightsError } from '../errors.ts';
import type { Sha256 } from './sha256.ts';

/** What Hugging Face's libraries call the index of sharded safetensors. */
export const INDEX_NAME = 'model.safetensors.index.json';

/** An open file: its size where known for sure, and its bytes. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number | undefined;
  /** To be read once. */
  readonly stream: ReadableStream<Uint8Array>;
}

/** What a store is told of a file that it opens. */
export interface OpenOptions {
  /** Stops the reading. */
  readonly signal?: AbortSignal;
  /** What the file must have, in hexadecimal: for a cache, which keeps it by that. */
  readonly sha256?: string;
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

const FROM_DISK = "to read it from the disk in Node, take loadModel from 'gradcam-webgpu/node'";

/** The default store: everything that `fetch` takes, which is http, https, data and blob URLs, and file URLs in Deno. */
export function fetchStore(): ByteStore {
  return {
    async locate(location) {
      const base = globalThis.location?.href;
      if (URL.canParse(location, base)) return indexIfFolder(new URL(location, base));
      throw new Error(`not a URL; ${FROM_DISK}`);
    },
    resolve: resolveUrl,
    open: openUrl,
  };
}

/** The URL of a folder's index, as far as a URL shows that it is a folder's; else the URL as it is. */
export function indexIfFolder(url: URL): string {
  const isFolder = /^(https?|file):$/.test(url.protocol) && url.pathname.endsWith('/');
  return isFolder ? resolveUrl(url.href, INDEX_NAME) : url.href;
}

/** A sibling's URL. It takes over the query, where a signed URL carries its key. */
export function resolveUrl(base: string, relative: string): string {
  const url = new URL(relative, base);
  if (url.search === '') url.search = new URL(base).search;
  return url.href;
}

export async function openUrl(location: string, { signal }: { signal?: AbortSignal }): Promise<ByteSource> {
  const response = await fetch(location, { signal }).catch((cause) => {
    if (!location.startsWith('file:')) throw cause;
    throw new Error(
      `fetch opens no file here; ${FROM_DISK}, and in a page give the address of a copy that is served as \`weights\``,
      { cause },
    );
  });
  const refuse = async (reason: string): Promise<never> => {
    await response.body?.cancel();
    throw new Error(reason);
  };
  if (!response.ok) return refuse(`the server answered ${`${response.status} ${response.statusText}`.trim()}`);
  if (response.headers.get('content-type')?.toLowerCase().startsWith('text/html')) return refuse(WEB_PAGE);
  return { size: sizeOf(response), stream: response.body ?? new Blob().stream() };
}

export const WEB_PAGE =
  'a web page (HTML) instead of weights; give the address of the file itself, or that of a folder with a slash at its end';

/**
 * The body's size, if the response tells it. Content-Length counts the compressed bytes of a compressed response, and
 * a page cannot see whether a response from another origin is one.
 */
function sizeOf(response: Response): number | undefined {
  const length = response.headers.get('content-length');
  const mayBeCompressed = response.type === 'cors' || response.headers.has('content-encoding');
  return length === null || mayBeCompressed ? undefined : Number(length);
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
