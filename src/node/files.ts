/** Weights from Node's file system, and the cache of downloaded ones on it. */
import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WeightsCache } from '../weights/cache.ts';
import { findWeights } from '../weights/chosen-files.ts';
import { fetchStore, resolveUrl } from '../weights/fetch-store.ts';
import type { ByteSource, ByteStore } from '../weights/store.ts';
import { cacheFolder } from './cache-folder.ts';
import { makeFolder } from './output.ts';

const CHUNK_BYTES = 1 << 20;
/** An unfinished cache entry that nothing was written to for so long was left behind by a process that died. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * Node's store: paths, file URLs and folders, and by `fetch` every other URL. A folder stands for the model.json or the
 * only .safetensors file in it.
 */
export function nodeStore(): ByteStore {
  const web = fetchStore();
  return {
    async locate(location) {
      if (isUrl(location)) return web.locate(location);
      const path = location.startsWith('file:') ? fileURLToPath(location) : location;
      const found = await stat(path).catch(rethrowReadably);
      return found.isDirectory() ? join(path, findWeights(await readdir(path), path)) : path;
    },
    resolve: (base, relative) => (isUrl(base) ? resolveUrl(base, relative) : join(dirname(base), relative)),
    open: (location, options) => (isUrl(location) ? web.open(location, options) : openFile(location)),
    createSha256() {
      const hash = createHash('sha256');
      return { update: (bytes) => hash.update(bytes), hex: () => hash.digest('hex') };
    },
  };
}

/** Not `C:\…`, whose drive letter looks like a scheme, and not file URLs, which are paths here. */
function isUrl(location: string): boolean {
  return /^(https?|data|blob):/i.test(location);
}

async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path).catch(rethrowReadably);
  const found = await handle.stat();
  if (found.isDirectory()) {
    await handle.close();
    throw new Error('is a folder');
  }
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(CHUNK_BYTES));
        if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      await handle.close();
    },
    cancel: () => handle.close(),
  });
  return { size: found.isFile() ? found.size : undefined, stream };
}

/** For catch(): the reason why a file cannot be read, without its name, which whoever reads adds. */
export function rethrowReadably(cause: NodeJS.ErrnoException): never {
  const reasons: Record<string, string> = {
    ENOENT: 'no such file',
    ENOTDIR: 'no such file',
    EACCES: 'no permission to read it',
    EPERM: 'no permission to read it',
  };
  throw new Error(reasons[cause.code ?? ''] ?? cause.message);
}

export interface FileCache extends WeightsCache {
  /** Removes every entry, so that files are fetched anew. */
  clear(): Promise<void>;
}

/**
 * A cache of files in a folder, which is made when the first is kept. Entries are written under another name and
 * renamed when they are whole, so that readers in any process see whole ones only.
 *
 * @param folder default: `weights` in GRADCAM_CACHE or the operating system's cache folder
 */
export function fileCache(folder: string = join(cacheFolder(), 'weights')): FileCache {
  const entry = (key: string) => join(folder, createHash('sha256').update(key).digest('hex'));
  return {
    async get(key) {
      return openFile(entry(key)).catch(() => undefined);
    },
    async put(key) {
      await makeFolder(folder);
      await removeAbandoned(folder);
      const unfinished = `${entry(key)}.${randomUUID()}.partial`;
      const handle = await open(unfinished, 'wx');
      return {
        write: (bytes) => handle.appendFile(bytes),
        async commit() {
          await handle.close();
          await rename(unfinished, entry(key));
        },
        async abort() {
          await handle.close();
          await rm(unfinished, { force: true });
        },
      };
    },
    async delete(key) {
      await rm(entry(key), { force: true });
    },
    async clear() {
      const names = await readdir(folder).catch(() => []);
      // What is still being written stays: its writer would fail.
      const entries = names.filter((name) => /^[0-9a-f]{64}$/.test(name));
      await Promise.all(entries.map((name) => rm(join(folder, name), { force: true })));
    },
  };
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.partial')) continue;
    const path = join(folder, name);
    const modified = (await stat(path).catch(() => undefined))?.mtimeMs;
    if (modified !== undefined && Date.now() - modified > ABANDONED_AFTER_MS) await rm(path, { force: true });
  }
}
