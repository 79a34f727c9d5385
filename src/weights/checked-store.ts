/** A store as reading uses it: what is broken is not kept. */
import { WeightsError } from '../errors.ts';
import type { ByteReader } from './byte-reader.ts';
import type { CachingStore } from './caching-store.ts';
import { Fault } from './fault.ts';
import type { ByteStore } from './store.ts';

/** A store that can forget what it kept; without a cache there is nothing to forget. */
export type Store = ByteStore & Partial<Pick<CachingStore, 'evict'>>;

/**
 * After an error: closes the reader, and where the content itself was at fault, takes it out of the cache, so that the
 * next attempt fetches it anew. What was kept before a connection broke stays, and so do shards that were checked.
 */
export async function forgetIfBroken(error: unknown, reader: ByteReader, store: Store): Promise<void> {
  await reader.close();
  const isBroken = error instanceof Fault || error instanceof WeightsError;
  if (isBroken && !reader.transferFailed) await store.evict?.(reader.checkedLocation);
}
