/** What a cache of downloads can do. browser-cache.ts has the browser's; Node's is in src/node/files.ts. */
import type { ByteSource } from './store.ts';

/**
 * A cache of files, by key. Its methods may fail at any time: then the load goes on without it. Several readers and
 * writers of a key may be at work at once, in several processes.
 */
export interface WeightsCache {
  /** The entry, if there is a complete one. */
  get(key: string): Promise<ByteSource | undefined>;
  /** Begins an entry of `size` bytes, where known. Nobody sees it before `commit`; it takes an older one's place. */
  put(key: string, size: number | undefined): Promise<CacheWriter>;
  /** Forgets the entry, if there is one. */
  delete(key: string): Promise<void>;
}

/** An entry that is being written. */
export interface CacheWriter {
  /** Appends bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the entry visible, whole. */
  commit(): Promise<void>;
  /** Leaves no trace of the entry. */
  abort(): Promise<void>;
}
