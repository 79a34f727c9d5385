/** Large downloads in a cache, a part after the other: what has come stays, also where the rest never does. */
import type { CacheWriter, WeightsCache } from './cache.ts';
import type { ByteSource, ResumePoint } from './store.ts';

/** As much is fetched again at most. */
export const PART_BYTES = 16 << 20;

/** The field that tells the entries of a download apart, in the query of its key. */
const PART_FIELD = 'gradcam-part';
/** In that field: the entry that says which parts there are. It is written after the part that it counts. */
const RECORD = 'record';

/** What the record's entry holds, as JSON. */
export interface PartsRecord {
  readonly version: string;
  /** Bytes of the file, where known. */
  readonly size?: number;
  /** Bytes in all parts. */
  readonly bytes: number;
  /** Bytes in each of them but the last. */
  readonly partBytes: number;
}

/** The kept beginning of one version of a file, or all of it. Parts of different versions have different keys. */
export class KeptParts {
  readonly #cache: WeightsCache;
  /** The file's. */
  readonly key: string;
  readonly #record: PartsRecord;

  constructor(cache: WeightsCache, key: string, record: PartsRecord) {
    this.#cache = cache;
    this.key = key;
    this.#record = record;
  }

  /** What is kept of a file, if there is anything. */
  static async find(cache: WeightsCache, key: string): Promise<KeptParts | undefined> {
    const entry = await cache.get(keyOf(key, RECORD));
    if (!entry) return undefined;
    const record = await new Response(entry.stream as ReadableStream<Uint8Array<ArrayBuffer>>).json();
    return new KeptParts(cache, key, record);
  }

  get version(): string {
    return this.#record.version;
  }

  /** Bytes of the file, where known. */
  get size(): number | undefined {
    return this.#record.size;
  }

  get isWhole(): boolean {
    return this.#record.bytes === this.#record.size;
  }

  /** Where the rest begins. */
  get end(): ResumePoint {
    const { bytes: start, version, size } = this.#record;
    return { start, version, size };
  }

  /** The bytes that are kept. Unless they are the whole file, the stream fails at their end, as it does where one is missing. */
  open(): ByteSource {
    const { bytes, partBytes } = this.#record;
    let count = 0;
    let part: ReadableStreamDefaultReader<Uint8Array> | undefined;
    /** Where the part ends. */
    let end = 0;
    const nextPart = async () => {
      const kept = await this.#cache.get(this.#keyAt(count));
      if (kept === undefined) throw new Error('a part of the download is gone');
      end = Math.min(count + partBytes, bytes);
      return kept.stream.getReader();
    };
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          for (;;) {
            if (part === undefined) {
              if (count === bytes && this.isWhole) return controller.close();
              if (count === bytes) throw new Error('the rest was not kept');
              part = await nextPart();
            }
            const { done, value } = await part.read();
            if (!done) {
              count += value.length;
              return controller.enqueue(value);
            }
            if (count !== end) throw new Error('a part of the download is not whole');
            part = undefined;
          }
        },
        cancel: (reason) => part?.cancel(reason),
      },
      { highWaterMark: 0 },
    );
    return { size: this.size, stream };
  }

  /** Keeps what follows, in parts; what was written since the last of them is lost with an abort. */
  writer(): CacheWriter {
    const { partBytes } = this.#record;
    let { bytes } = this.#record;
    let part: CacheWriter | undefined;
    /** Bytes in it. */
    let filled = 0;
    const endPart = async (size = this.size) => {
      await part?.commit();
      part = undefined;
      bytes += filled;
      filled = 0;
      await this.#writeRecord({ ...this.#record, bytes, size });
    };
    return {
      write: async (chunk) => {
        for (let rest = chunk; rest.length > 0; ) {
          part ??= await this.#cache.put(this.#keyAt(bytes), this.#sizeAt(bytes));
          const fitting = rest.subarray(0, partBytes - filled);
          await part.write(fitting);
          filled += fitting.length;
          rest = rest.subarray(fitting.length);
          if (filled === partBytes) await endPart();
        }
      },
      commit: () => endPart(bytes + filled),
      abort: async () => part?.abort(),
    };
  }

  async forget(): Promise<void> {
    await this.#cache.delete(keyOf(this.key, RECORD));
    for (let at = 0; at < this.#record.bytes; at += this.#record.partBytes) await this.#cache.delete(this.#keyAt(at));
  }

  /** Of the part that begins at this byte. */
  #keyAt(start: number): string {
    return keyOf(this.key, `${this.version}:${start / this.#record.partBytes}`);
  }

  #sizeAt(start: number): number | undefined {
    return this.size === undefined ? undefined : Math.min(this.#record.partBytes, this.size - start);
  }

  async #writeRecord(record: PartsRecord): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(record));
    const writer = await this.#cache.put(keyOf(this.key, RECORD), bytes.length);
    await writer.write(bytes);
    await writer.commit();
  }
}

/** The key of the file that an entry is of, a part or the record of its parts or all of it. */
export function fileOfEntry(entry: string): { readonly key: string; readonly isRecord: boolean } {
  const url = new URL(entry);
  const part = url.searchParams.get(PART_FIELD);
  if (part === null) return { key: entry, isRecord: false };
  url.searchParams.delete(PART_FIELD);
  return { key: url.href, isRecord: part === RECORD };
}

function keyOf(file: string, part: string): string {
  const url = new URL(file);
  url.searchParams.set(PART_FIELD, part);
  return url.href;
}
