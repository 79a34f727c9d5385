/**
 * TensorFlow.js layers-models: model.json with a weightsManifest, whose groups each name shards that make one run of
 * bytes when joined, and the tensors that fill it.
 */
import { WeightsError } from '../errors.ts';
import { excerpt, isRecord } from './json-values.ts';
import type { TensorGroup, WeightsLayout } from './layout.ts';
import { type Encoding, type StoredTensor, tensorExtent } from './layout.ts';
import { resolveShard } from './shard-path.ts';

/** Bytes per element, with quantised and plain tensors alike. */
const BYTES: Record<string, number> = { float32: 4, float16: 2, uint8: 1, uint16: 2, int32: 4, bool: 1 };

/**
 * Reads and checks the manifest of a model.json.
 *
 * @param model the file's JSON
 * @param file its name in messages
 * @param resolve turns a manifest path into what the store opens; throws where that cannot be done
 * @throws WeightsError for whatever is wrong with the manifest.
 */
export function parseLayersModel(model: unknown, file: string, resolve: (path: string) => string): WeightsLayout {
  if (!isRecord(model) || !Array.isArray(model.weightsManifest)) {
    throw new WeightsError('no weightsManifest', { file, expected: 'the model.json of a TensorFlow.js layers-model' });
  }
  if (model.format !== undefined && model.format !== null && model.format !== 'layers-model') {
    throw new WeightsError('another kind of TensorFlow.js model', {
      file,
      expected: 'format "layers-model"',
      found: excerpt(model.format),
    });
  }
  const names = new Set<string>();
  const groups = model.weightsManifest.map((group, index) => parseGroup(group, index, names, file, resolve));
  return { format: 'tfjs-layers', groups };
}

function parseGroup(
  group: unknown,
  index: number,
  names: Set<string>,
  file: string,
  resolve: (path: string) => string,
): TensorGroup {
  if (!isRecord(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights)) {
    throw new WeightsError(`weightsManifest[${index}] lacks its lists of paths and weights`, { file });
  }
  const files = group.paths.map((path) => resolveShard(path, file, resolve));
  const tensors = group.weights.map((weight) => parseWeight(weight, names, file));
  const first = tensors.find((tensor) => tensor.byteLength > 0);
  if (files.length === 0 && first !== undefined) {
    throw new WeightsError(`weightsManifest[${index}] names no shard`, { file, tensor: first.name });
  }
  return { files, headerBytes: 0, tensors };
}

function parseWeight(weight: unknown, names: Set<string>, file: string): StoredTensor {
  if (!isRecord(weight) || typeof weight.name !== 'string') {
    throw new WeightsError('a weight of the manifest has no name', { file, found: excerpt(weight) });
  }
  const { name, dtype, shape, quantization } = weight;
  const at = { file, tensor: name };
  if (names.has(name)) throw new WeightsError('the manifest has the tensor twice', at);
  names.add(name);
  if (quantization !== undefined && quantization !== null && !isRecord(quantization)) {
    throw new WeightsError('the quantization is not an object', { ...at, found: excerpt(quantization) });
  }
  const stored = quantization ? quantization.dtype : dtype;
  const dtypes = quantization ? ['uint8', 'uint16', 'float16'] : ['float32', 'float16', 'int32', 'bool'];
  if (typeof stored !== 'string' || !dtypes.includes(stored)) {
    throw new WeightsError(quantization ? 'the quantization dtype cannot be read' : 'the dtype cannot be read', {
      ...at,
      expected: dtypes.join(', '),
      found: excerpt(stored),
    });
  }
  const isFloat = dtype === 'float32' || dtype === 'float16';
  if (!isFloat && dtype !== 'int32' && dtype !== 'bool') {
    throw new WeightsError('the dtype cannot be read', { ...at, expected: 'float32', found: excerpt(dtype) });
  }
  const encoding = isFloat ? encodingOf(stored, quantization ?? undefined, at) : undefined;
  return { name, ...tensorExtent(shape, BYTES[stored]!, at), encoding, dtype: encoding ? stored : dtype };
}

function encodingOf(
  dtype: string,
  quantization: Record<string, unknown> | undefined,
  at: { file: string; tensor: string },
): Encoding {
  if (dtype === 'float32' || dtype === 'float16') return { dtype };
  const { scale, min } = quantization!;
  if (!Number.isFinite(scale) || !Number.isFinite(min)) {
    throw new WeightsError('the quantization has no scale and min', {
      ...at,
      expected: 'finite numbers',
      found: excerpt(quantization),
    });
  }
  return { dtype: dtype as 'uint8' | 'uint16', scale: scale as number, min: min as number };
}
