/**
 * Sharded safetensors: several files, and an index that says which tensor lies in which. The index is Hugging Face's
 * `model.safetensors.index.json` ({ metadata, weight_map }); what `gradcam convert` knows besides is in its
 * `metadata.gradcam`, see docs/weights.md.
 */
import { WeightsError } from '../errors.ts';
import { excerpt, isRecord } from './json-values.ts';
import { type Encoding, type StoredTensor, type TensorGroup, tensorExtent } from './layout.ts';
import { FLOATS } from './safetensors.ts';
import { resolveShard } from './shard-path.ts';

/** The version of `metadata.gradcam` that is written and read here. */
export const INDEX_VERSION = 1;

/** What `metadata.gradcam` holds. */
export interface IndexDescription {
  readonly version: typeof INDEX_VERSION;
  /** The network, where it is one that the library knows. */
  readonly model?: DescribedModel;
  /** As `gradcam convert` was asked for it: 'f32', 'f16' or 'u8'. */
  readonly precision: string;
  /** What was converted. */
  readonly source: { readonly format: string; readonly checksum?: string };
  /** Size in bytes and SHA-256 in hexadecimal of each file. */
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
  /** By the tensors' own names, whatever parts they are cut into. */
  readonly tensors: Readonly<Record<string, IndexedTensor>>;
}

/** Which network weights are of, and what goes with it. */
export interface DescribedModel {
  /** As loadModel takes it. */
  readonly name: string;
  /** As in ModelVariant. */
  readonly width?: number;
  /** As in ModelVariant. */
  readonly classes?: number;
  /** As in ModelVariant. */
  readonly inputSize?: number;
  /** Names of the classes in index order. */
  readonly labels?: readonly string[];
  /** What other programs need besides: whose layout of weights it is, and which pixels the network expects. */
  readonly convention?: string;
  /** As in Model. */
  readonly preprocessing?: unknown;
}

export interface IndexedTensor {
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'U8';
  readonly shape: readonly number[];
  /** Of U8: an element q stands for q · scale + min, in float32 arithmetic. */
  readonly scale?: number;
  readonly min?: number;
  /** Of a tensor that is larger than a file: its elements, row-major, as one-dimensional tensors in this order. */
  readonly parts?: readonly { readonly name: string; readonly elements: number }[];
}

/** An index that was read and checked. */
export interface ShardIndex {
  /** The files in the order in which they are to be read, with the names of the tensors in each. */
  readonly shards: readonly { readonly location: string; readonly names: readonly string[] }[];
  /** What lies where, if the index says it; else the shards' headers do. */
  readonly groups: readonly TensorGroup[] | undefined;
  readonly model: DescribedModel | undefined;
}

/** Whether a file's JSON is such an index. */
export function isShardIndex(json: unknown): json is { weight_map: unknown; metadata?: unknown } {
  return isRecord(json) && 'weight_map' in json;
}

/**
 * Checks an index.
 *
 * @param json of the file
 * @param file its name in messages
 * @param resolve turns a shard's name into what the store opens; throws where that cannot be done
 * @throws WeightsError for whatever is wrong with the index.
 */
export function parseShardIndex(
  json: { weight_map: unknown; metadata?: unknown },
  file: string,
  resolve: (path: string) => string,
): ShardIndex {
  const namesByShard = groupByShard(json.weight_map, file);
  const shards = Array.from(namesByShard, ([shard, names]) => ({
    location: resolveShard(shard, file, resolve),
    names,
  }));
  const description = isRecord(json.metadata) ? json.metadata.gradcam : undefined;
  if (description === undefined) return { shards, groups: undefined, model: undefined };
  const { version, files, tensors, model } = isRecord(description) ? description : {};
  if (version !== INDEX_VERSION || !isRecord(files) || !isRecord(tensors)) {
    throw new WeightsError('the index is not of a kind that this version of the library reads; convert anew', {
      file,
      expected: `metadata.gradcam with version ${INDEX_VERSION}, files and tensors`,
      found: `version ${excerpt(version)}`,
    });
  }
  const stored = storedTensors(tensors, file);
  const groups = Array.from(namesByShard, ([shard, names], i): TensorGroup => {
    const held = names.map(
      (name) => stored.get(name) ?? fail('the index maps a tensor that it does not describe', name),
    );
    const { size, sha256 } = checkFile(files[shard], shard, file);
    const headerBytes = held.reduce((bytes, { byteLength }) => bytes - byteLength, size);
    if (headerBytes < 0) fail(`the index puts more into ${shard} than it holds`, names[0]!);
    return { files: [shards[i]!.location], headerBytes, tensors: held, shard: { size, sha256 } };
  });
  for (const name of stored.keys()) {
    if (!Object.hasOwn(json.weight_map as object, name)) fail('the index does not say where the tensor is', name);
  }
  return { shards, groups, model: checkModel(model, file) };

  function fail(problem: string, tensor: string): never {
    throw new WeightsError(problem, { file, tensor });
  }
}

function groupByShard(weightMap: unknown, file: string): Map<string, string[]> {
  if (!isRecord(weightMap) || Object.keys(weightMap).length === 0) {
    throw new WeightsError('the index maps no tensors to files', { file, found: excerpt(weightMap) });
  }
  const namesByShard = new Map<string, string[]>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string') {
      throw new WeightsError('the index does not say where the tensor is', {
        file,
        tensor: name,
        expected: 'the name of a file',
        found: excerpt(shard),
      });
    }
    const names = namesByShard.get(shard) ?? [];
    namesByShard.set(shard, names);
    names.push(name);
  }
  // Parts of a tensor must come in order, and shards are numbered in theirs.
  return new Map([...namesByShard].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What lies in the files, by the names there. */
function storedTensors(tensors: Record<string, unknown>, file: string): Map<string, StoredTensor> {
  const stored = new Map<string, StoredTensor>();
  const add = (name: string, tensor: StoredTensor) => {
    if (stored.has(name)) throw new WeightsError('the index has the tensor twice', { file, tensor: name });
    stored.set(name, tensor);
  };
  for (const [name, entry] of Object.entries(tensors)) {
    const at = { file, tensor: name };
    if (!isRecord(entry))
      throw new WeightsError('the index does not describe the tensor', { ...at, found: excerpt(entry) });
    const { dtype, shape, parts } = entry;
    const { bytes, encoding } = encodingOf(entry, at);
    const whole = { name, ...tensorExtent(shape, bytes, at), encoding, dtype: dtype as string };
    if (parts === undefined) {
      add(name, whole);
      continue;
    }
    let firstElement = 0;
    for (const part of Array.isArray(parts) ? parts : [undefined]) {
      const { name: partName, elements } = isRecord(part) ? part : {};
      if (typeof partName !== 'string' || !Number.isSafeInteger(elements) || (elements as number) < 0) {
        throw new WeightsError("the tensor's parts are not described", { ...at, found: excerpt(parts) });
      }
      const elementCount = elements as number;
      add(partName, {
        ...whole,
        elementCount,
        byteLength: elementCount * bytes,
        part: { name: partName, firstElement },
      });
      firstElement += elementCount;
    }
    if (firstElement !== whole.elementCount) {
      throw new WeightsError("the tensor's parts do not make the whole", {
        ...at,
        expected: `${whole.elementCount} elements`,
        found: `${firstElement}`,
      });
    }
  }
  return stored;
}

function encodingOf(
  { dtype, scale, min }: Record<string, unknown>,
  at: { file: string; tensor: string },
): { bytes: number; encoding: Encoding } {
  if (typeof dtype === 'string' && Object.hasOwn(FLOATS, dtype)) return FLOATS[dtype]!;
  if (dtype !== 'U8') {
    throw new WeightsError('the dtype cannot be read', {
      ...at,
      expected: 'F32, F16, BF16 or U8',
      found: excerpt(dtype),
    });
  }
  if (!Number.isFinite(scale) || !Number.isFinite(min)) {
    throw new WeightsError('the quantised tensor has no scale and min', {
      ...at,
      expected: 'finite numbers',
      found: excerpt({ scale, min }),
    });
  }
  return { bytes: 1, encoding: { dtype: 'uint8', scale: scale as number, min: min as number } };
}

function checkFile(entry: unknown, shard: string, file: string): { size: number; sha256: string } {
  const { size, sha256 } = isRecord(entry) ? entry : {};
  if (!Number.isSafeInteger(size) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new WeightsError(`the index lacks the size or the SHA-256 of ${shard}`, { file, found: excerpt(entry) });
  }
  return { size: size as number, sha256 };
}

function checkModel(model: unknown, file: string): DescribedModel | undefined {
  if (model === undefined) return undefined;
  const { name, width, classes, inputSize, labels } = isRecord(model) ? model : {};
  const areNumbers = [width, classes, inputSize].every((size) => size === undefined || typeof size === 'number');
  const areLabels =
    labels === undefined || (Array.isArray(labels) && labels.every((label) => typeof label === 'string'));
  if (typeof name === 'string' && areNumbers && areLabels) return model as DescribedModel;
  throw new WeightsError('the index does not describe its model', {
    file,
    expected: 'a name, and perhaps width, classes, inputSize and labels',
    found: excerpt(model),
  });
}
