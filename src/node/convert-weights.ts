/** Weights of any readable kind written anew: as sharded safetensors with an index, ready for a static host. */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { GradcamError, OptionError, throwIfAborted } from '../errors.ts';
import { modelTable } from '../network/models.ts';
import { type RecognisedModel, recogniseModel } from '../network/recognise.ts';
import { sumOf } from '../sum.ts';
import {
  type EncodedTensor,
  encode,
  STORED_BYTES,
  STORED_PRECISIONS,
  type StoredPrecision,
  storedDtype,
} from '../weights/encode.ts';
import { INDEX_VERSION, type IndexDescription, type IndexedTensor } from '../weights/shard-index.ts';
import { planShards, type Shard, type TensorToStore } from '../weights/shard-plan.ts';
import type { LoadProgress, TensorInfo, WeightsFile, WeightsPiece } from '../weights/source.ts';
import { INDEX_NAME } from '../weights/store.ts';
import { checkOutputFolder, makeFolder } from './output.ts';

/** What the files are to be like. */
export interface ConvertOptions {
  /** Number format of the matrices and kernels. 'u8' is affine, a scale and a min for each tensor. Default 'f16'. */
  precision?: StoredPrecision;
  /** Upper bound on a file's bytes, at least 2^16. Default 16,000,000. */
  shardBytes?: number;
  /** Names of the classes in index order, to travel with the weights. Default: those that the source or the model has. */
  labels?: readonly string[];
  /** Replaces a folder that an earlier conversion made. Default false. */
  force?: boolean;
  /** Called as the source is read. */
  onProgress?: (progress: LoadProgress) => void;
  /** Stops the work with an AbortError; nothing is left behind. */
  signal?: AbortSignal;
}

export const DEFAULT_SHARD_BYTES = 16_000_000;
export const DEFAULT_STORED_PRECISION: StoredPrecision = 'f16';
const LEAST_SHARD_BYTES = 2 ** 16;

/** A file with weights. */
export interface ConvertedFile {
  /** In the folder. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** What a conversion wrote. */
export interface ConvertedWeights {
  /** Path of the index, which loadModel and --weights take, as they take the folder. */
  readonly index: string;
  /** The files beside it. */
  readonly files: readonly ConvertedFile[];
  /** Of the tensors, without the files' headers. */
  readonly totalBytes: number;
  /** The network that the weights are of, if it is a known one. */
  readonly model: RecognisedModel | undefined;
}

/**
 * Writes an opened weights file to a folder, which appears when it is complete. The tensors keep their names and shapes;
 * those of integers, which are no weights, are left out.
 *
 * @param file is read once, to its end
 * @throws OptionError for a folder that is in the way, or labels that are not as many as classes; WeightsError for a source
 * that is broken or holds what the precision cannot; GradcamError with the code 'disk-full'; AbortError
 */
export async function convertWeights(
  file: WeightsFile,
  folder: string,
  options: ConvertOptions = {},
): Promise<ConvertedWeights> {
  const { precision = DEFAULT_STORED_PRECISION, shardBytes = DEFAULT_SHARD_BYTES, signal, onProgress } = options;
  checkSizes(precision, shardBytes);
  await checkTarget(folder, options.force === true);
  const model = recogniseModel(file);
  const described = model && describe(model, file, options.labels);
  const tensors = [...file.tensors.values()].map(({ name, shape, encoding }) => ({
    name,
    shape,
    dtype: storedDtype(shape, encoding, precision),
  }));
  const shards = planShards(tensors, shardBytes, file.origin);
  const target = resolve(folder);
  await removeAbandoned(target, UNFINISHED);
  const unfinished = `${prefixOf(target)}${process.pid}.${randomUUID()}${UNFINISHED}`;
  try {
    await makeFolder(unfinished);
    const writer = new ShardWriter(unfinished, shards);
    for await (const { tensor, encoded } of encodedTensors(file, tensors, { signal, onProgress })) {
      await writer.write(tensor, encoded);
    }
    const index = {
      metadata: {
        total_size: tensorBytes(shards),
        gradcam: {
          version: INDEX_VERSION,
          model: described,
          precision,
          source: { format: file.format, checksum: file.checksum() },
          files: writer.files,
          tensors: indexedTensors(tensors, shards, writer.quantisations),
        } satisfies IndexDescription,
      },
      weight_map: Object.fromEntries(shards.flatMap(({ file, parts }) => parts.map(({ name }) => [name, file]))),
    };
    await write(join(unfinished, INDEX_NAME), `${JSON.stringify(index, undefined, 1)}\n`);
    throwIfAborted(signal);
    await putInPlace(unfinished, target);
    await removeAbandoned(target, REPLACED);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw isDiskFull(error) ? noRoom(target, shards, error) : error;
  }
  return {
    index: join(folder, INDEX_NAME),
    files: shards.map(({ file: name, size }) => ({ name, size })),
    totalBytes: tensorBytes(shards),
    model,
  };
}

function checkSizes(precision: StoredPrecision, shardBytes: number): void {
  if (!STORED_PRECISIONS.includes(precision)) {
    throw new OptionError('precision', precision, STORED_PRECISIONS.join(', '));
  }
  if (!Number.isSafeInteger(shardBytes) || shardBytes < LEAST_SHARD_BYTES) {
    throw new OptionError('shardBytes', shardBytes, `a whole number from ${LEAST_SHARD_BYTES}`);
  }
}

/**
 * Checks that a conversion may put its folder here.
 *
 * @param consent how the caller says `force`, for messages
 * @throws OptionError
 */
export async function checkTarget(folder: string, force: boolean, consent = 'force: true'): Promise<void> {
  await checkOutputFolder('to', folder);
  const isThere = await stat(folder).catch(() => undefined);
  const names = isThere ? await readdir(folder) : [];
  if (names.length === 0) return;
  const foreign = names.find((name) => name !== INDEX_NAME && !/^model-\d{5,}-of-\d{5,}\.safetensors$/.test(name));
  if (foreign !== undefined) {
    throw new OptionError('to', folder, `a new folder, or one of converted weights only; it holds ${foreign}`);
  }
  if (!force) throw new OptionError('to', folder, `a new folder; to replace the weights in it, say ${consent}`);
}

function describe(
  { known, variant, convention }: RecognisedModel,
  file: WeightsFile,
  given: readonly string[] | undefined,
): IndexDescription['model'] {
  const { nodes, preprocessing } = modelTable(known, variant);
  const classes = variant.classes ?? known.classes;
  const labels = given ?? file.model?.labels ?? (classes === known.classes ? known.labels : undefined);
  if (labels && labels.length !== classes) {
    throw new OptionError('labels', `${labels.length} labels`, `one label for each of the ${classes} classes`);
  }
  const input = nodes.find((node) => node.op === 'input')!;
  return {
    name: known.name,
    width: variant.width,
    classes,
    inputSize: input.shape[1],
    labels,
    convention,
    preprocessing: preprocessing[convention],
  };
}

/** The source's tensors, each whole and in its new format, as they come. */
async function* encodedTensors(
  file: WeightsFile,
  tensors: readonly TensorToStore[],
  options: Pick<ConvertOptions, 'signal' | 'onProgress'>,
): AsyncGenerator<{ tensor: TensorToStore; encoded: EncodedTensor }> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const gathered = new Map<string, GatheredTensor>();
  for await (const piece of file.stream(options)) {
    const { name } = piece.tensor;
    const tensor = byName.get(name)!;
    const values = gathered.get(name) ?? new GatheredTensor(piece.tensor, tensor);
    gathered.set(name, values);
    if (!values.add(piece)) continue;
    gathered.delete(name);
    yield { tensor, encoded: values.encode() };
  }
  for (const tensor of tensors.filter(({ shape }) => shape.includes(0))) {
    yield { tensor, encoded: encode(new Float32Array(0), tensor.dtype, { file: file.origin, tensor: tensor.name }) };
  }
}

/** A tensor while its pieces come. */
class GatheredTensor {
  readonly #info: TensorInfo;
  readonly #target: TensorToStore;
  /** Quantised as it is to be: then its bytes are kept as they are. */
  readonly #stays: boolean;
  readonly #elements: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

  constructor(info: TensorInfo, target: TensorToStore) {
    const count = info.shape.reduce((product, n) => product * n, 1);
    this.#info = info;
    this.#target = target;
    this.#stays = info.encoding.dtype === 'uint8' && target.dtype === 'U8';
    this.#elements = this.#stays ? new Uint8Array(count) : new Float32Array(count);
  }

  /** @returns whether the tensor is complete */
  add(piece: WeightsPiece): boolean {
    this.#elements.set(this.#stays ? piece.stored : piece.values, piece.offset);
    return piece.offset + piece.count === this.#elements.length;
  }

  encode(): EncodedTensor {
    const { encoding, name, file } = this.#info;
    if (this.#elements instanceof Float32Array)
      return encode(this.#elements, this.#target.dtype, { file, tensor: name });
    if (encoding.dtype !== 'uint8') throw new Error(`${name} is not of 8 bits`);
    return { bytes: this.#elements, scale: encoding.scale, min: encoding.min };
  }
}

/** Writes shards as they become complete: they are in memory one or two at a time. */
class ShardWriter {
  readonly files: Record<string, { size: number; sha256: string }> = {};
  readonly quantisations = new Map<string, Pick<IndexedTensor, 'scale' | 'min'>>();
  readonly #folder: string;
  readonly #shards: readonly Shard[];
  readonly #open = new Map<Shard, { bytes: Uint8Array; missing: number }>();

  constructor(folder: string, shards: readonly Shard[]) {
    this.#folder = folder;
    this.#shards = shards;
  }

  async write(tensor: TensorToStore, { bytes, scale, min }: EncodedTensor): Promise<void> {
    if (scale !== undefined) this.quantisations.set(tensor.name, { scale, min });
    const size = STORED_BYTES[tensor.dtype];
    for (const shard of this.#shards) {
      for (const part of shard.parts.filter((part) => part.tensor === tensor)) {
        const content = bytes.subarray(part.firstElement * size, (part.firstElement + part.elements) * size);
        const open = this.#open.get(shard) ?? { bytes: newFile(shard), missing: shard.parts.length };
        this.#open.set(shard, open);
        open.bytes.set(content, part.offset);
        open.missing -= 1;
        if (open.missing > 0) continue;
        this.#open.delete(shard);
        this.files[shard.file] = { size: shard.size, sha256: createHash('sha256').update(open.bytes).digest('hex') };
        await write(join(this.#folder, shard.file), open.bytes);
      }
    }
  }
}

/** With the file's name in the error also where the system tells none, as of a full disk. */
async function write(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content).catch((error) => {
    throw Object.assign(error, { path });
  });
}

function newFile({ size, header }: Shard): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(header);
  return bytes;
}

function tensorBytes(shards: readonly Shard[]): number {
  return shards.reduce((sum, { size, header }) => sum + size - header.length, 0);
}

function indexedTensors(
  tensors: readonly TensorToStore[],
  shards: readonly Shard[],
  quantisations: ReadonlyMap<string, Pick<IndexedTensor, 'scale' | 'min'>>,
): Record<string, IndexedTensor> {
  const parts = shards.flatMap((shard) => shard.parts);
  return Object.fromEntries(
    tensors.map((tensor) => {
      const cut = parts.filter((part) => part.tensor === tensor && part.name !== tensor.name);
      const { name, dtype, shape } = tensor;
      return [
        name,
        {
          dtype,
          shape,
          ...quantisations.get(name),
          parts: cut.length > 0 ? cut.map(({ name, elements }) => ({ name, elements })) : undefined,
        },
      ];
    }),
  );
}

// What a folder is called beside the target until it is done with.
const UNFINISHED = '.partial';
const REPLACED = `${UNFINISHED}.replaced`;

/** With what tells whose it is: only this machine knows whether a process of its own is alive. */
function prefixOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.${encodeURIComponent(hostname())}.`);
}

/** Removes what processes of this machine have left that were killed at the same target. */
async function removeAbandoned(target: string, ending: string): Promise<void> {
  const prefix = basename(prefixOf(target));
  const names = await readdir(dirname(target)).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const [, pid, own] = /^(\d+)\.[0-9a-f-]{36}(\..+)$/.exec(name.slice(prefix.length)) ?? [];
    if (own !== ending || isAlive(Number(pid))) continue;
    await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It may be somebody else's, whom it is not for us to signal.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function isDiskFull(error: unknown): error is NodeJS.ErrnoException {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException)?.code ?? '');
}

function noRoom(target: string, shards: readonly Shard[], cause: NodeJS.ErrnoException): GradcamError {
  const bytes = sumOf(shards.map(({ size }) => size));
  return new GradcamError(
    'disk-full',
    `${target}: the disk is full (${cause.code}${cause.path ? ` at ${basename(cause.path)}` : ''}): the converted weights ` +
      `take ${bytes} bytes, and an index besides. Nothing was left behind: make room, or choose a folder on another disk.`,
    { cause },
  );
}

/** Gives the finished folder its name, in the place of what checkTarget found there. */
async function putInPlace(finished: string, target: string): Promise<void> {
  const replaced = `${finished.slice(0, -UNFINISHED.length)}${REPLACED}`;
  const wasThere = await rename(target, replaced).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(finished, target);
  } catch (error) {
    if (wasThere) await rename(replaced, target);
    throw error;
  }
  await rm(replaced, { recursive: true, force: true });
}
