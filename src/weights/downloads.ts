/** What addresses need beside a store. */
import { browserCache } from './browser-cache.ts';
import type { WeightsCache } from './cache.ts';
import { type CachingStore, cachingStore } from './caching-store.ts';
import type { ByteStore } from './store.ts';
import { resumingStore } from './unbroken.ts';

/**
 * The store, going on where connections break, and keeping what has come.
 *
 * @param cache undefined: the runtime's, if it has one; false: nothing is kept
 * @param checksum of the whole model, where known
 */
export function downloads(
  store: ByteStore,
  cache: WeightsCache | false | undefined,
  checksum: string | undefined,
): ByteStore & Partial<Pick<CachingStore, 'evict'>> {
  const resuming = resumingStore(store);
  const keeper = cache ?? browserCache();
  return keeper ? cachingStore(resuming, keeper, checksum) : resuming;
}
