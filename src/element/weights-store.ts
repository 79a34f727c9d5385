/** What the browser keeps of downloaded weights. */
import { CACHE_NAME } from '../weights/cache.ts';

/** A file that was downloaded. */
export interface CachedFile {
  /** Where it came from. */
  readonly url: string;
  /** Its size. */
  readonly bytes: number;
}

/** Empty where the browser keeps nothing, as on a page that is not served securely. */
export class WeightsStore {
  /** The files that are kept. */
  async list(): Promise<CachedFile[]> {
    const cache = await openCache();
    if (!cache) return [];
    const files = (await cache.keys()).map(async ({ url }) => {
      const response = await cache.match(url);
      const length = response?.headers.get('content-length');
      return { url, bytes: length ? Number(length) : ((await response?.blob())?.size ?? 0) };
    });
    return Promise.all(files);
  }

  /** The size of all of them. */
  async bytes(): Promise<number> {
    return (await this.list()).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Forgets all of them. */
  async clear(): Promise<void> {
    if ('caches' in globalThis) await caches.delete(CACHE_NAME);
  }
}

/** Without making it. */
async function openCache(): Promise<Cache | undefined> {
  if (!('caches' in globalThis) || !(await caches.has(CACHE_NAME))) return undefined;
  return caches.open(CACHE_NAME);
}
