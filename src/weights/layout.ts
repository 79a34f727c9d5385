/** What both file formats come down to: which tensors lie where, in which files, stored how. */
import { Fault } from './fault.ts';

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
    throw new Fault('noShape', at, shape);
  }
  const elementCount = shape.reduce((product: number, size: number) => product * size, 1);
  const byteLength = elementCount * bytesPerElement;
  if (!Number.isSafeInteger(byteLength)) {
    throw new Fault('shapeTooLarge', at, shape);
  }
  return { shape, elementCount, byteLength };
}
