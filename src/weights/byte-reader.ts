import { throwIfAborted, untilAborted, WeightsError } from '../errors.ts';
import { Fault } from './fault.ts';
import { WEB_PAGE } from './fetch-store.ts';
import { checksumOf, StreamedSha256 } from './sha256.ts';
import type { ByteSource, ByteStore } from './store.ts';

/** A file to read, and about how long it will be (what decides when the next one is opened). */
export interface FileToRead {
  readonly location: string;
  readonly estimatedBytes: number;
  /** What the file must be, where that is known: its size in bytes, its SHA-256 in hexadecimal. */
  readonly size?: number;
  readonly sha256?: string;
  /** See OpenOptions. */
  readonly mayChange?: boolean;
}

/** With at most this much of a file left to read, the next is opened: its latency hides behind the transfer. */
const OPEN_AHEAD_BYTES = 8 << 20;

/**
 * Reads files one after the other, in whatever chunks they come, hashes what it reads, and holds each file to the size and
 * the SHA-256 that it must have. Only one chunk is held. Every failure is a Fault or a WeightsError that names the file, or an
 * AbortError.
 */
export class ByteReader {
  readonly #store: ByteStore;
  readonly #files: readonly FileToRead[];
  readonly #hash: StreamedSha256;
  /** Of the file being read, if it must have a certain one. */
  #fileHash: StreamedSha256 | undefined;
  readonly #stop = new AbortController();
  /** Index of the file being read. */
  #index = -1;
  #size: number | undefined;
  #chunks: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #ahead: Promise<ByteSource> | undefined;
  /** What is left of the chunk that came last. */
  #rest: Uint8Array = new Uint8Array(0);
  /** The cancelling of `#chunks`, once begun. A second one would not wait for what the first still has to tidy up. */
  #cancelled: Promise<void> | undefined;
  #unlink: (() => void)[] = [];

  /** Bytes that have come of each file opened so far. */
  readonly fileBytes: number[] = [];
  /** Bytes that have come of all files. */
  totalBytes = 0;
  /** Called when bytes have come. */
  onBytes: (() => void) | undefined;
  /** A file could not be opened or read to its end: what came of it need not be wrong. */
  transferFailed = false;

  constructor(store: ByteStore, files: readonly FileToRead[]) {
    this.#store = store;
    this.#files = files;
    this.#hash = newHash(store);
  }

  /** The file being read, as messages show it. */
  get file(): string {
    return displayName(this.#files[Math.max(this.#index, 0)]!.location);
  }

  /** The file being read, if its content alone tells whether it is the right one. */
  get checkedLocation(): string | undefined {
    const file = this.#files[this.#index];
    return file?.sha256 === undefined ? undefined : file.location;
  }

  /** Size of the file being read, where known. */
  get size(): number | undefined {
    return this.#size;
  }

  /** Makes the signal stop the reading, also while it waits for bytes. */
  abortOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const stop = () => {
      this.#stop.abort(signal.reason);
      this.#cancelled ??= this.#chunks?.cancel(signal.reason);
      this.#cancelled?.catch(() => {}); // `close` waits for it
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    this.#unlink.push(() => signal.removeEventListener('abort', stop));
  }

  /**
   * The next 1 to `max` bytes, or undefined where the files before index `endFile` end.
   *
   * @param tensor whose bytes they are, for messages
   */
  async read(max: number, endFile = this.#files.length, tensor?: string): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      throwIfAborted(this.#stop.signal);
      if (this.#chunks === undefined) {
        if (this.#index + 1 >= endFile) return undefined;
        await this.#openNext(tensor);
        continue;
      }
      await this.#nextChunk(tensor);
    }
    throwIfAborted(this.#stop.signal);
    const bytes = this.#rest.subarray(0, max);
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  /** Exactly the next `length` bytes. Memory grows with what comes, not with what is asked for. */
  async readExactly(length: number, what: string, tensor?: string): Promise<Uint8Array> {
    const bytes = await this.readUpTo(length, tensor);
    if (bytes.length < length) throw new Fault('endsWithin', this.file, what, tensor, length, bytes.length);
    return bytes;
  }

  /** The next `length` bytes, fewer only at the end. */
  async readUpTo(length: number, tensor?: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let count = 0;
    while (count < length) {
      const part = await this.read(length - count, undefined, tensor);
      if (part === undefined) break;
      parts.push(part);
      count += part.length;
    }
    if (parts.length === 1) return parts[0]!;
    const bytes = new Uint8Array(count);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** The next `length` bytes, fewer only at the end, which stay to be read. */
  async peek(length: number): Promise<Uint8Array> {
    const bytes = await this.readUpTo(length);
    const joined = new Uint8Array(bytes.length + this.#rest.length);
    joined.set(bytes);
    joined.set(this.#rest, bytes.length);
    this.#rest = joined;
    return bytes;
  }

  /**
   * SHA-256 in hexadecimal of all bytes that have come; where files must have a certain one, of these, a line each (see
   * checksumOfShards). Nothing may be read afterwards.
   */
  sha256(): Promise<string> {
    return this.#hash.hex();
  }

  /** Gives back what is open, and waits until that is done. Nothing may be read afterwards. */
  async close(): Promise<void> {
    for (const unlink of this.#unlink) unlink();
    this.#stop.abort();
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#cancelled ??= this.#chunks?.cancel();
    await Promise.allSettled([this.#cancelled, ahead?.then((source) => source.stream.cancel())]);
  }

  async #openNext(tensor: string | undefined): Promise<void> {
    this.#index += 1;
    this.fileBytes.push(0);
    const source = await this.#attempt(tensor, () => this.#ahead ?? this.#open(this.#index));
    this.#ahead = undefined;
    this.#size = source.size;
    this.#chunks = source.stream.getReader();
    const { size, sha256 } = this.#files[this.#index]!;
    this.#fileHash = sha256 === undefined ? undefined : newHash(this.#store);
    if (size !== undefined && source.size !== undefined && source.size !== size) {
      throw this.#wrongFile('size', `${size} bytes`, `${source.size} bytes`, tensor);
    }
  }

  async #open(index: number): Promise<ByteSource> {
    const { location, size, sha256, mayChange } = this.#files[index]!;
    return this.#store.open(location, { signal: this.#stop.signal, size, sha256, mayChange });
  }

  async #nextChunk(tensor: string | undefined): Promise<void> {
    const { done, value } = await this.#attempt(tensor, () => this.#chunks!.read());
    throwIfAborted(this.#stop.signal);
    if (done) {
      this.#chunks = undefined;
      await this.#checkFile(tensor);
      return;
    }
    if (this.fileBytes[this.#index] === 0) this.#refuseOtherContent(value, tensor);
    this.#rest = value;
    this.fileBytes[this.#index]! += value.length;
    this.totalBytes += value.length;
    await untilAborted((this.#fileHash ?? this.#hash).update(value), this.#stop.signal);
    this.#openAhead();
    this.onBytes?.();
  }

  /** Holds a file that was read to its end to what it must be. */
  async #checkFile(tensor: string | undefined): Promise<void> {
    const { size, sha256 } = this.#files[this.#index]!;
    const bytes = this.fileBytes[this.#index]!;
    if (size !== undefined && size !== bytes) {
      throw this.#wrongFile('size', `${size} bytes`, `${bytes} bytes`, tensor);
    }
    if (sha256 === undefined) return;
    const found = await this.#fileHash!.hex();
    if (found !== sha256) throw this.#wrongFile('SHA-256', sha256, found, tensor);
    await this.#hash.update(checksumLines([sha256]));
  }

  #wrongFile(what: string, expected: string, found: string, tensor: string | undefined): Fault {
    return new Fault('otherThanIndex', this.file, what, tensor, expected, found);
  }

  #openAhead(): void {
    const left = this.#files[this.#index]!.estimatedBytes - this.fileBytes[this.#index]!;
    if (this.#ahead !== undefined || this.#index + 1 >= this.#files.length || left > OPEN_AHEAD_BYTES) return;
    this.#ahead = this.#open(this.#index + 1);
    this.#ahead.catch(() => {}); // reported when the file's turn comes
  }

  /** What comes in place of weights when an address is wrong, said in its own words rather than as a broken file. */
  #refuseOtherContent(firstChunk: Uint8Array, tensor: string | undefined): void {
    const start = new TextDecoder().decode(firstChunk.subarray(0, 64));
    if (/^\s*<(!doctype|html)\b/i.test(start)) throw new WeightsError(WEB_PAGE, { file: this.file, tensor });
    if (start.startsWith('version https://git-lfs')) throw new Fault('pointer', this.file, tensor);
  }

  async #attempt<T>(tensor: string | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throwIfAborted(this.#stop.signal);
      this.transferFailed = true;
      throw asWeightsError(cause, this.file, tensor);
    }
  }
}

function newHash(store: ByteStore): StreamedSha256 {
  return new StreamedSha256(store.createSha256?.());
}

/** The checksum of several files as one: of their own SHA-256 in hexadecimal, a line each. It is known before they are read. */
export function checksumOfShards(sha256s: readonly string[]): Promise<string> {
  return checksumOf(checksumLines(sha256s));
}

function checksumLines(sha256s: readonly string[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(sha256s.map((sha256) => `${sha256}\n`).join(''));
}

/** A store's failure as the error that names the file. */
export function asWeightsError(cause: unknown, file: string, tensor?: string): WeightsError {
  if (cause instanceof WeightsError) return cause;
  return new WeightsError(reasonOf(cause), { file, tensor, isTransfer: /^https?:/i.test(file) }, { cause });
}

/** The error's own words and its causes': `fetch` says 'fetch failed' and hides why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || (error as { code?: string }).code || error.name;
  return error.cause === undefined ? own : `${own} (${reasonOf(error.cause)})`;
}

/** A location as messages show it: a data URL holds the whole file. */
export function displayName(location: string): string {
  return /^data:/i.test(location) && location.length > 64 ? `${location.slice(0, 63)}…` : location;
}
