/** What the browser keeps of downloaded weights. */
import { CACHE_NAME } from '../weights/browser-cache.ts';
import { locationOf } from '../weights/caching-store.ts';
import { fileOfEntry, type PartsRecord } from '../weights/kept-parts.ts';

/** A file that was downloaded. */
export interface CachedFile {
  /** Where it came from. */
  readonly url: string;
  /** What is kept of it, bytes. */
  readonly bytes: number;
  /** All of it has come. Otherwise the next load fetches the rest. */
  readonly isWhole: boolean;
}

/** Empty where the browser keeps nothing, as for a page that is not served securely, or in a sandboxed frame. */
export class WeightsStore {
  /** The files that are kept. */
  async list(): Promise<CachedFile[]> {
    const cache = await openCache();
    if (!cache) return [];
    const files = new Map<string, CachedFile>();
    for (const { url: name } of await cache.keys()) {
      const entry = await cache.match(name);
      if (!entry) continue;
      const { key, isRecord } = fileOfEntry(name);
      const { bytes, isWhole } = files.get(key) ?? { bytes: 0, isWhole: key === name };
      const url = locationOf(key);
      if (isRecord) {
        const record = (await entry.json()) as PartsRecord;
        files.set(key, { url, bytes, isWhole: record.bytes === record.size });
      } else {
        files.set(key, { url, bytes: bytes + (await sizeOf(entry)), isWhole });
      }
    }
    return [...files.values()];
  }

  /** The size of all of them. */
  async bytes(): Promise<number> {
    return (await this.list()).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Forgets all of them. */
  async clear(): Promise<void> {
    await storage()?.delete(CACHE_NAME);
  }
}

async function sizeOf(entry: Response): Promise<number> {
  return Number(entry.headers.get('content-length') ?? (await entry.blob()).size);
}

/** Without making it. */
async function openCache(): Promise<Cache | undefined> {
  const caches = storage();
  return (await caches?.has(CACHE_NAME)) ? caches?.open(CACHE_NAME) : undefined;
}

function storage(): CacheStorage | undefined {
  try {
    return globalThis.caches;
  } catch {
    // In a sandboxed frame, asking for it is an error.
    return undefined;
  }
}
