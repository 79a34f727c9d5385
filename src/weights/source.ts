/**
 * Reading weights: from a location to pieces of named tensors, in the story's order. Whatever is wrong with the
 * files is a WeightsError that names the file, and the tensor where there is one.
 */
import { OptionError, throwIfAborted } from '../errors.ts';
import { onDemand } from '../on-demand.ts';
import { checkOptionNames, type OptionNames } from '../option-names.ts';
import { asWeightsError, ByteReader, displayName } from './byte-reader.ts';
import type { WeightsCache } from './cache.ts';
import { forgetIfBroken, type Store } from './checked-store.ts';
import { BYTES_PER_ELEMENT, decode } from './decode.ts';
import { downloads } from './downloads.ts';
import { Fault, inWords } from './fault.ts';
import { fetchStore } from './fetch-store.ts';
import type { Encoding, WeightsLayout } from './layout.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import type { DescribedModel } from './shard-index.ts';
import type { ByteStore } from './store.ts';
import { filesToRead, streamTensors, totalBytes } from './stream.ts';

export type { CacheWriter, WeightsCache } from './cache.ts';
export type { Sha256 } from './incremental-sha256.ts';
export type { Encoding, WeightsDtype } from './layout.ts';
export type { DescribedModel } from './shard-index.ts';
export type { ByteSource, ByteStore, OpenOptions, ResumePoint } from './store.ts';

/** What the file says of a tensor. */
export interface TensorInfo {
  /** As the file has it. */
  readonly name: string;
  /** As the file has it. */
  readonly shape: readonly number[];
  /** As stored. */
  readonly encoding: Encoding;
  /** URL or path of the file that declares it: the model.json, the .safetensors or its index. */
  readonly file: string;
}

/** Consecutive elements of a tensor; the caller's to keep. */
export class WeightsPiece {
  /** Which tensor the elements are of. */
  readonly tensor: TensorInfo;
  /** Index of the first element, row-major. */
  readonly offset: number;
  /** The elements as the file has them, little-endian, from the beginning of a buffer. */
  readonly stored: Uint8Array<ArrayBuffer>;
  #values: Float32Array<ArrayBuffer> | undefined;

  constructor(tensor: TensorInfo, offset: number, stored: Uint8Array<ArrayBuffer>) {
    this.tensor = tensor;
    this.offset = offset;
    this.stored = stored;
  }

  /** Elements. */
  get count(): number {
    return this.stored.length / BYTES_PER_ELEMENT[this.tensor.encoding.dtype];
  }

  /** The elements in float32, decoded when they are first asked for. */
  get values(): Float32Array<ArrayBuffer> {
    this.#values ??= decode(this.tensor.encoding, this.stored);
    return this.#values;
  }
}

/** How far a load has come. */
export interface LoadProgress {
  /** Bytes of weights that have come in this pass. */
  readonly loadedBytes: number;
  /** Bytes of weights in all: the file or files for safetensors, the shards for TensorFlow.js. */
  readonly totalBytes: number;
  /** The file being read. */
  readonly file: string;
}

/** What is read of a file, and how. */
export interface StreamOptions {
  /** Which tensors to yield; the bytes of others are read over. Default: all. */
  wanted?: (name: string) => boolean;
  /** Upper bound on a piece's elements. Default 2^20, 4 MiB. */
  pieceElements?: number;
  /** Stops the reading with an AbortError. */
  signal?: AbortSignal;
  /** Called as bytes come in. */
  onProgress?: (progress: LoadProgress) => void;
}

/** An opened weights file: what it holds is known, its tensors' bytes are still to be read. */
export interface WeightsFile {
  /** Of the file. */
  readonly format: 'tfjs-layers' | 'safetensors';
  /** URL or path of the file that was opened. */
  readonly origin: string;
  /** The network that the weights are of, where the file says it: `gradcam convert` writes it. */
  readonly model?: DescribedModel;
  /** The tensors that can be streamed, in the file's order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * Tensors of integers or booleans, with the file's name for their number format: batch norm's num_batches_tracked
   * and the like. They are no weights and are read over.
   */
  readonly integerTensors: ReadonlyMap<string, string>;
  /**
   * Reads the file once, from its beginning to its end, and yields every wanted tensor in the file's order; a tensor's
   * pieces come in order and cover it exactly. Pieces yielded before an error must be discarded with the others.
   *
   * @throws WeightsError at a broken or missing file, at its end also for a wrong checksum; AbortError
   */
  stream(options?: StreamOptions): AsyncGenerator<WeightsPiece, void, undefined>;
  /**
   * 'sha256-<hex>' of all bytes of the weights in order (TensorFlow.js: of the shards, in the manifest's order; of files
   * whose index has their checksums: of these in hexadecimal, a line each), after a stream() that ran to its end;
   * undefined before.
   */
  checksum(): string | undefined;
  /** Gives back what openWeights left open for the first stream(). Needed only where none is made. */
  close(): Promise<void>;
}

/**
 * A URL, a path or folder (with Node's store), or the files of a file input or a dropped folder. A URL that ends in a slash
 * is that of a folder with an index.
 */
export type WeightsLocation = string | URL | File | Iterable<File> | ArrayLike<File>;

/** Where a file is looked for and kept, and what it must be. */
export interface OpenWeightsOptions {
  /** Where a location that is named is looked for; files that are given are read themselves. Default: `fetch`. */
  store?: ByteStore;
  /**
   * Where downloads are kept. Default: the Cache API where there is one; false: nowhere. What an address gave is kept for
   * good, unless it turns out broken: without a `checksum`, a file that changes at its address is not noticed.
   * `caches.delete('gradcam-webgpu')` drops everything, in Node `fileCache().clear()`.
   */
  cache?: WeightsCache | false;
  /** 'sha256-<hex>' that the weights must have, as `WeightsFile.checksum` counts it. */
  checksum?: string;
  /** Stops the opening, and every stream() of the opened file. */
  signal?: AbortSignal;
  /** For every stream() that is given none of its own. */
  onProgress?: (progress: LoadProgress) => void;
}

const OPEN_OPTIONS: OptionNames<OpenWeightsOptions> = {
  store: true,
  cache: true,
  checksum: true,
  signal: true,
  onProgress: true,
};

/**
 * Opens a TensorFlow.js layers-model by its model.json, a .safetensors file, or several by their index. Reads and checks
 * what describes the tensors; a single safetensors file is left open there, so that one request serves description and
 * tensors.
 *
 * @throws WeightsError if there is no such file, or its description is broken; OptionError; AbortError
 */
export async function openWeights(location: WeightsLocation, options: OpenWeightsOptions = {}): Promise<WeightsFile> {
  checkOptionNames('openWeights()', options, OPEN_OPTIONS);
  const { checksum, signal } = options;
  if (checksum !== undefined && !/^sha256-[0-9a-f]{64}$/.test(checksum)) {
    throw new OptionError('checksum', checksum, "'sha256-' and 64 lower-case hexadecimal digits");
  }
  throwIfAborted(signal);
  const store = await chooseStore(location, options);
  const file = await locate(store, location);
  const origin = displayName(file);
  const toRead = { location: file, estimatedBytes: Infinity, mayChange: isIndexName(file) };
  const reader = new ByteReader(store, [toRead]);
  reader.abortOn(signal);
  try {
    if ((await detectContent(reader, file)) === 'tensors') {
      const layout = { format: 'safetensors', groups: [await readSafetensorsHeader(reader, file)] } as const;
      return new OpenedWeights({ store, origin, layout, opened: reader, options });
    }
    const described = () => import('./described.ts');
    const { readDescription } = await onDemand('what reads weights in parts', described, signal);
    const { layout, model } = await readDescription(reader, file, store, { checksum, signal });
    return new OpenedWeights({ store, origin, layout, model, options });
  } catch (error) {
    await forgetIfBroken(error, reader, store);
    throw await inWords(error);
  }
}

async function chooseStore(location: WeightsLocation, options: OpenWeightsOptions): Promise<Store> {
  if (typeof location === 'object' && !(location instanceof URL)) {
    const { fileListStore } = await onDemand('what reads files', () => import('./chosen-files.ts'), options.signal);
    return fileListStore(location instanceof File ? [location] : location);
  }
  return downloads(options.store ?? fetchStore(), options.cache, options.checksum);
}

async function locate(store: ByteStore, location: WeightsLocation): Promise<string> {
  const named = typeof location === 'string' || location instanceof URL ? String(location) : '';
  try {
    return await store.locate(named);
  } catch (cause) {
    throw asWeightsError(cause, displayName(named));
  }
}

function isIndexName(file: string): boolean {
  return pathOf(file).endsWith('.index.json');
}

/** The path of a URL or file in lower case, for its ending. */
function pathOf(file: string): string {
  return file.replace(/[?#].*$/s, '').toLowerCase();
}

/**
 * Whether a file holds tensors or describes others in JSON: by the name's ending, else by the content: a safetensors
 * length has zero bytes in front of the JSON.
 */
async function detectContent(reader: ByteReader, file: string): Promise<'tensors' | 'json'> {
  const path = pathOf(file);
  if (path.endsWith('.safetensors')) return 'tensors';
  if (path.endsWith('.json')) return 'json';
  const start = await reader.peek(8);
  return start.includes(0) ? 'tensors' : 'json';
}

interface OpenedParts {
  readonly store: Store;
  readonly origin: string;
  readonly layout: WeightsLayout;
  readonly model?: DescribedModel;
  /** Stands behind the header, for the first stream(). */
  readonly opened?: ByteReader;
  readonly options: OpenWeightsOptions;
}

class OpenedWeights implements WeightsFile {
  readonly format: WeightsFile['format'];
  readonly origin: string;
  readonly model: DescribedModel | undefined;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly integerTensors: ReadonlyMap<string, string>;
  readonly #store: Store;
  readonly #layout: WeightsLayout;
  readonly #options: OpenWeightsOptions;
  #opened: ByteReader | undefined;
  #checksum: string | undefined;

  constructor({ store, origin, layout, model, opened, options }: OpenedParts) {
    const tensors = new Map<string, TensorInfo>();
    const integerTensors = new Map<string, string>();
    for (const { name, shape, encoding, dtype } of layout.groups.flatMap((group) => group.tensors)) {
      if (encoding === undefined) integerTensors.set(name, dtype);
      else tensors.set(name, { name, shape, encoding, file: origin });
    }
    this.format = layout.format;
    this.origin = origin;
    this.model = model;
    this.tensors = tensors;
    this.integerTensors = integerTensors;
    this.#store = store;
    this.#layout = layout;
    this.#options = options;
    this.#opened = opened;
  }

  async *stream(options: StreamOptions = {}): AsyncGenerator<WeightsPiece, void, undefined> {
    const { wanted = () => true, pieceElements = 1 << 20, signal, onProgress = this.#options.onProgress } = options;
    if (!Number.isSafeInteger(pieceElements) || pieceElements < 1) {
      throw new OptionError('pieceElements', pieceElements, 'a whole number of at least 1');
    }
    const opened = this.#opened;
    this.#opened = undefined;
    const reader = opened ?? new ByteReader(this.#store, filesToRead(this.#layout));
    try {
      if (opened === undefined) reader.abortOn(this.#options.signal);
      reader.abortOn(signal);
      if (onProgress) reportProgress(reader, totalBytes(this.#layout), onProgress);
      const isWanted = ({ name }: { name: string }) => wanted(name);
      const pieces = streamTensors(reader, this.#layout, pieceElements, isWanted, opened !== undefined);
      for await (const { tensor, offset, stored } of pieces) {
        yield new WeightsPiece(this.tensors.get(tensor.name)!, offset, stored);
      }
      this.#checksum = this.#verified(`sha256-${await reader.sha256()}`);
    } catch (error) {
      await forgetIfBroken(error, reader, this.#store);
      throw await inWords(error);
    } finally {
      await reader.close();
    }
  }

  checksum(): string | undefined {
    return this.#checksum;
  }

  async close(): Promise<void> {
    await this.#opened?.close();
    this.#opened = undefined;
  }

  #verified(checksum: string): string {
    const expected = this.#options.checksum;
    if (expected !== undefined && checksum !== expected) {
      throw new Fault('wrongChecksum', this.origin, expected, checksum);
    }
    return checksum;
  }
}

function reportProgress(reader: ByteReader, total: number, onProgress: (progress: LoadProgress) => void): void {
  reader.onBytes = () => onProgress({ loadedBytes: reader.totalBytes, totalBytes: total, file: reader.file });
  if (reader.totalBytes > 0) reader.onBytes(); // what came while the file was opened
}
