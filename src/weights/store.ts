/** Where bytes come from: addresses (fetch-store.ts), files that a page was handed (chosen-files.ts), Node's (src/node/files.ts). */
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
