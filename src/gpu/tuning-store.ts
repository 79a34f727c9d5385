import type { TuningStore } from './tuning.ts';

const DATABASE = 'gradcam-webgpu';
const STORE = 'tuning';

/** Timings in the page's IndexedDB; undefined where there is none (Node, Deno). */
export function browserTuningStore(): TuningStore | undefined {
  if (!('indexedDB' in globalThis)) return undefined;
  return {
    async read(key) {
      const text: unknown = await inStore('readonly', (store) => store.get(key));
      return typeof text === 'string' ? text : undefined;
    },
    async write(key, text) {
      await inStore('readwrite', (store) => store.put(text, key));
    },
  };
}

/** Opens the database for one request: a connection that stayed open would block other pages' upgrades. */
async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await done(opening);
  try {
    return await done(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    if ('onblocked' in request)
      request.onblocked = () => reject(new Error('the database is in use by another version'));
  });
}
