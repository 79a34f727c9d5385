/** Downloads in the Cache API. */
import type { WeightsCache } from './cache.ts';

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
