/** Keeps what was downloaded, so that it is downloaded once. */
import type { CacheWriter, WeightsCache } from './cache.ts';
import { KeptParts, PART_BYTES } from './kept-parts.ts';
import { type ByteSource, type ByteStore, type OpenOptions, type ResumePoint, withOpen } from './store.ts';
import { changed, unbroken } from './unbroken.ts';

export interface CachingStore extends ByteStore {
  /** Forgets the entries that were read or written through this store: all, or those of one location. */
  evict(location?: string): Promise<void>;
}

/**
 * A store in front of another one that keeps what comes by http or https. Other locations are as near as the cache. Of a
 * large file with a version, what has come is kept also where the rest does not, and is not fetched again.
 *
 * @param checksum of the whole model, part of the key: what was kept for one is not taken for another. A file whose own
 * SHA-256 is known is kept by that instead.
 * @param partBytes how much of a large file is kept at a time
 */
export function cachingStore(
  store: ByteStore,
  cache: WeightsCache,
  checksum: string | undefined,
  partBytes = PART_BYTES,
): CachingStore {
  /** Keys of the entries, with their locations. */
  const used = new Map<string, string>();
  const caching = withOpen(store, async (location, options) => {
    if (!/^https?:/i.test(location)) return store.open(location, options);
    const key = cacheKey(location, options.sha256 === undefined ? checksum : `sha256-${options.sha256}`);
    used.set(key, location);
    const open = (from?: ResumePoint) => store.open(location, { ...options, from });
    const kept = await unlessItFails(() => cache.get(key));
    if (options.mayChange) {
      const source = kept ? await unlessItFails(() => open()) : await open();
      if (source === undefined) return kept!;
      await unlessItFails(async () => kept?.stream.cancel());
      return keepWhole(source, key);
    }
    if (kept !== undefined) {
      const openAnew = async () => {
        await unlessItFails(() => cache.delete(key));
        return open();
      };
      return { size: kept.size, stream: unbroken(kept, onceAfterCopy(openAnew)) };
    }
    const parts = await unlessItFails(() => KeptParts.find(cache, key));
    return parts ? openParts(parts, open, options) : keep(await open(), key, options);
  });
  return {
    ...caching,
    async evict(location) {
      const keys = [...used.keys()].filter((key) => location === undefined || used.get(key) === location);
      await Promise.all(keys.map((key) => unlessItFails(() => forgetAll(key))));
    },
  };

  async function forgetAll(key: string): Promise<void> {
    await cache.delete(key);
    await (await KeptParts.find(cache, key))?.forget();
  }

  /** The kept beginning of a file, and the rest from the source, which is asked first whether it has the same file still. */
  async function openParts(parts: KeptParts, open: OpenFrom, options: OpenOptions): Promise<ByteSource> {
    const kept = parts.open();
    const openAnew = async (start: number) => {
      await unlessItFails(() => parts.forget());
      const source = await open({ ...parts.end, start });
      if (source.version === parts.version) return source;
      await source.stream.cancel();
      throw changed();
    };
    if (parts.isWhole) return { size: parts.size, stream: unbroken(kept, onceAfterCopy(openAnew)) };
    const rest = await open(parts.end);
    if (rest.start !== parts.end.start) {
      await unlessItFails(() => parts.forget());
      return keep(rest, parts.key, options);
    }
    const stream = copyToCache(rest, parts.writer());
    const goOn = async (start: number) => {
      if (start === rest.start) return { ...rest, stream };
      await unlessItFails(() => stream.cancel());
      return openAnew(start);
    };
    return { size: rest.size ?? parts.size, stream: unbroken(kept, onceAfterCopy(goOn)) };
  }

  async function keep(source: ByteSource, key: string, { size = source.size }: OpenOptions): Promise<ByteSource> {
    if (source.version === undefined || (size !== undefined && size <= partBytes)) return keepWhole(source, key);
    const parts = new KeptParts(cache, key, { version: source.version, size: source.size, bytes: 0, partBytes });
    return { size: source.size, stream: copyToCache(source, parts.writer()) };
  }

  async function keepWhole(source: ByteSource, key: string): Promise<ByteSource> {
    const writer = await unlessItFails(() => cache.put(key, source.size));
    return writer === undefined ? source : { size: source.size, stream: copyToCache(source, writer) };
  }
}

const CHECKSUM_FIELD = 'gradcam-checksum';

/** The URL itself, with the checksum in its query: the Cache API takes http URLs as keys, and ignores fragments. */
function cacheKey(location: string, checksum: string | undefined): string {
  const url = new URL(location);
  url.hash = '';
  if (checksum !== undefined) url.searchParams.set(CHECKSUM_FIELD, checksum);
  return url.href;
}

/** Where the file of such a key came from. */
export function locationOf(key: string): string {
  const url = new URL(key);
  url.searchParams.delete(CHECKSUM_FIELD);
  return url.href;
}

type OpenFrom = (from?: ResumePoint) => Promise<ByteSource>;

/** For unbroken(): a copy that ends too early is followed by its source. That one's failure is the reader's. */
function onceAfterCopy(
  next: (start: number) => Promise<ByteSource>,
): (start: number, failure: unknown) => Promise<ByteSource> {
  let isCopy = true;
  return async (start, failure) => {
    if (!isCopy) throw failure;
    isCopy = false;
    return next(start);
  };
}

/** The source's bytes, written to the cache as they are read, and committed when they have been read to the end. */
function copyToCache(source: ByteSource, writer: CacheWriter): ReadableStream<Uint8Array> {
  const reader = source.stream.getReader();
  let open: CacheWriter | undefined = writer;
  let count = source.start ?? 0;
  const giveUp = async () => {
    const failed = open;
    open = undefined;
    await unlessItFails(async () => failed?.abort());
  };
  const toCache = async (work: (writer: CacheWriter) => Promise<void>) => {
    try {
      if (open !== undefined) await work(open);
    } catch {
      await giveUp();
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await reader.read().catch(async (error) => {
          await giveUp();
          throw error;
        });
        if (!next.done) {
          count += next.value.length;
          await toCache((to) => to.write(next.value));
          controller.enqueue(next.value);
          return;
        }
        if (source.size !== undefined && count !== source.size) await giveUp();
        await toCache((to) => to.commit());
        controller.close();
      },
      async cancel(reason) {
        await giveUp();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 }, // nothing is committed before the reader has seen all that came before
  );
}

async function unlessItFails<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
