/** Keeps what was downloaded, so that it is downloaded once. */
import type { ByteSource, ByteStore } from './store.ts';

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

export interface CachingStore extends ByteStore {
  /** Forgets the entries that were read or written through this store: all, or those of one location. */
  evict(location?: string): Promise<void>;
}

/**
 * A store in front of another one that keeps what comes by http or https. Other locations are as near as the cache.
 *
 * @param checksum of the whole model, part of the key: what was kept for one is not taken for another. A file whose own
 * SHA-256 is known is kept by that instead.
 */
export function cachingStore(store: ByteStore, cache: WeightsCache, checksum: string | undefined): CachingStore {
  /** Keys of the entries, with their locations. */
  const used = new Map<string, string>();
  return {
    locate: (location) => store.locate(location),
    resolve: (base, relative) => store.resolve(base, relative),
    createSha256: store.createSha256 && (() => store.createSha256!()),
    async open(location, options) {
      if (!/^https?:/i.test(location)) return store.open(location, options);
      const key = cacheKey(location, options.sha256 === undefined ? checksum : `sha256-${options.sha256}`);
      used.set(key, location);
      const kept = await unlessItFails(() => cache.get(key));
      if (kept !== undefined && options.mayChange) {
        const source = await unlessItFails(() => store.open(location, options));
        if (source === undefined) return kept;
        await unlessItFails(() => kept.stream.cancel());
        return keepCopy(source, key);
      }
      if (kept !== undefined) {
        const openSource = async () => {
          await unlessItFails(() => cache.delete(key));
          return store.open(location, options);
        };
        return { size: kept.size, stream: readElse(kept, openSource) };
      }
      return keepCopy(await store.open(location, options), key);
    },
    async evict(location) {
      const keys = [...used.keys()].filter((key) => location === undefined || used.get(key) === location);
      await Promise.all(keys.map((key) => unlessItFails(() => cache.delete(key))));
    },
  };

  async function keepCopy(source: ByteSource, key: string): Promise<ByteSource> {
    const writer = await unlessItFails(() => cache.put(key, source.size));
    return writer === undefined ? source : { size: source.size, stream: copyToCache(source, writer) };
  }
}

/** The URL itself, with the checksum in its query: the Cache API takes http URLs as keys, and ignores fragments. */
function cacheKey(location: string, checksum: string | undefined): string {
  const url = new URL(location);
  url.hash = '';
  if (checksum !== undefined) url.searchParams.set('gradcam-checksum', checksum);
  return url.href;
}

/** The kept bytes; where reading them fails, what is missing of them from the source they came from. */
function readElse(kept: ByteSource, openSource: () => Promise<ByteSource>): ReadableStream<Uint8Array> {
  let reader = kept.stream.getReader();
  let count = 0;
  /** Bytes of the source that the kept copy gave already. */
  let toSkip = 0;
  const readSource = async () => {
    toSkip = count;
    reader = (await openSource()).stream.getReader();
    return reader.read();
  };
  let fromCache = true;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value } = await reader.read().catch((error) => {
            if (!fromCache) throw error;
            fromCache = false;
            return readSource();
          });
          if (done) return controller.close();
          const fresh = value.subarray(toSkip);
          toSkip -= value.length - fresh.length;
          count += fresh.length;
          if (fresh.length > 0) return controller.enqueue(fresh);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** The source's bytes, written to the cache as they are read, and committed when they have been read to the end. */
function copyToCache(source: ByteSource, writer: CacheWriter): ReadableStream<Uint8Array> {
  const reader = source.stream.getReader();
  let open: CacheWriter | undefined = writer;
  let count = 0;
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

/** Of the Cache that holds downloads unless another name is given. */
export const CACHE_NAME = 'gradcam-webgpu';

/**
 * A cache on the Cache API of browsers and Deno; undefined where there is none (Node, pages not served securely).
 *
 * @param name of the Cache that holds the entries
 */
export function browserCache(name = CACHE_NAME): WeightsCache | undefined {
  if (!('caches' in globalThis)) return undefined;
  return {
    async get(key) {
      const response = await (await caches.open(name)).match(key);
      if (!response?.body) return undefined;
      const size = response.headers.get('content-length');
      return { size: size === null ? undefined : Number(size), stream: response.body };
    },
    async put(key, size) {
      const cache = await caches.open(name);
      const { body, controller, nextPull } = pushedStream();
      const headers = size === undefined ? undefined : { 'content-length': String(size) };
      const stored = cache.put(key, new Response(body, { headers }));
      stored.catch(() => {}); // seen by whichever of the calls below comes next
      return {
        async write(bytes) {
          // A put that fails need not read on: without the race, the write would wait for ever.
          await Promise.race([nextPull(), stored]);
          controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
        },
        async commit() {
          controller.close();
          await stored;
        },
        async abort() {
          controller.error(new Error('given up'));
          await stored.catch(() => {});
        },
      };
    },
    async delete(key) {
      await (await caches.open(name)).delete(key);
    },
  };
}

/**
 * A stream that is written from outside. Not a TransformStream: where its reader has gone without a word, that one
 * cannot even be aborted.
 */
function pushedStream() {
  let pulled = () => {};
  let pull = new Promise<void>((resolve) => {
    pulled = resolve;
  });
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(its) {
      controller = its;
    },
    pull: () => pulled(),
  });
  /** Resolves when there is room for another chunk; each call is for one chunk. */
  const nextPull = async () => {
    await pull;
    pull = new Promise<void>((resolve) => {
      pulled = resolve;
    });
  };
  return { body, controller: controller!, nextPull };
}
