/** What both file formats come down to: which tensors lie where, in which files, stored how. */
import { WeightsError } from '../errors.ts';

/** Number formats that weights are stored in. The integers are quantised, with a scale and a min for each tensor. */
export type WeightsDtype = 'float32' | 'float16' | 'bfloat16' | 'uint8' | 'uint16';

/** How a tensor's elements become float32. Quantised ones are `q · scale + min`. */
export type Encoding =
  | {
      /** As it is. */
      readonly dtype: 'float32' | 'float16' | 'bfloat16';
    }
  | {
      /** Of q. */
      readonly dtype: 'uint8' | 'uint16';
      /** The step between two values. */
      readonly scale: number;
      /** The value of q = 0. */
      readonly min: number;
    };

/** A tensor, or a part of one, as it lies in the file, little-endian and row-major. */
export interface StoredTensor {
  readonly name: string;
  /** Of the whole tensor. */
  readonly shape: readonly number[];
  /** Of what lies here. */
  readonly elementCount: number;
  readonly byteLength: number;
  /** Where only some consecutive elements lie here: what the file calls them, and the index of the first in the tensor. */
  readonly part?: { readonly name: string; readonly firstElement: number };
  /** Absent for integers and booleans that stand for themselves, such as batch norm's num_batches_tracked. */
  readonly encoding: Encoding | undefined;
  /** The number format's name in the file. */
  readonly dtype: string;
}

/** Tensors that fill a run of files without gaps, one after the other; a tensor may go on in the next file. */
export interface TensorGroup {
  readonly files: readonly string[];
  /** Bytes before the first tensor. */
  readonly headerBytes: number;
  readonly tensors: readonly StoredTensor[];
  /** What the only file must be, where that is known before it is read: a shard with an index. SHA-256 in hexadecimal. */
  readonly shard?: { readonly size: number; readonly sha256?: string };
}

export interface WeightsLayout {
  readonly format: 'tfjs-layers' | 'safetensors';
  readonly groups: readonly TensorGroup[];
}

/** Longest safetensors header or model.json that is read, the limit of the safetensors reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * The length and byte length of a tensor of the given shape, or an error if the shape is not a list of sizes or its
 * product cannot be counted exactly.
 */
export function tensorExtent(
  shape: unknown,
  bytesPerElement: number,
  at: { file: string; tensor: string },
): { shape: readonly number[]; elementCount: number; byteLength: number } {
  const isSize = (size: unknown) => Number.isSafeInteger(size) && (size as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new WeightsError('the shape is not a list of sizes', {
      ...at,
      expected: 'whole numbers of at least 0',
      found: excerpt(shape),
    });
  }
  const elementCount = shape.reduce((product: number, size: number) => product * size, 1);
  const byteLength = elementCount * bytesPerElement;
  if (!Number.isSafeInteger(byteLength)) {
    throw new WeightsError('the shape is impossibly large', { ...at, found: excerpt(shape) });
  }
  return { shape, elementCount, byteLength };
}

/** A JSON value as a message shows it, cut to a readable length. */
export function excerpt(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Where a shard is that a description of weights names.
 *
 * @param path as the description has it
 * @param file the description's name in messages
 * @param resolve turns the path into what the store opens; throws where that cannot be done
 */
export function resolveShard(path: unknown, file: string, resolve: (path: string) => string): string {
  // A description from the web must not point at another server, nor at the disk of whoever loads it.
  if (typeof path !== 'string' || path === '' || /^([a-z][a-z0-9+.-]*:|[/\\])/i.test(path)) {
    const name = file.slice(file.lastIndexOf('/') + 1);
    throw new WeightsError(`a shard path is not relative to ${name}`, { file, found: excerpt(path) });
  }
  try {
    return resolve(path);
  } catch (cause) {
    throw new WeightsError(`the shard ${path} cannot be found from here`, { file }, { cause });
  }
}
