/** What both file formats come down to: which tensors lie where, in which files, stored how. */
import { WeightsError } from '../errors.ts';

/** Number formats that weights are stored in. The integers are quantised, with a scale and a min for each tensor. */
export type WeightsDtype = 'float32' | 'float16' | 'bfloat16' | 'uint8' | 'uint16';

/** How a tensor's elements become float32. Quantised ones are `q · scale + min`. */
export type Encoding =
  | { readonly dtype: 'float32' | 'float16' | 'bfloat16' }
  | { readonly dtype: 'uint8' | 'uint16'; readonly scale: number; readonly min: number };

/** A tensor as it lies in the file, little-endian and row-major. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
  /** Absent for integers and booleans that stand for themselves, such as batch norm's num_batches_tracked. */
  readonly encoding: Encoding | undefined;
  /** The number format's name in the file. */
  readonly dtype: string;
}

/** Tensors that fill a run of files without gaps, one after the other; a tensor may go on in the next file. */
export interface TensorGroup {
  readonly files: readonly string[];
  readonly tensors: readonly StoredTensor[];
}

export interface WeightsLayout {
  readonly format: 'tfjs-layers' | 'safetensors';
  /** Bytes before the first tensor of the first group. */
  readonly headerBytes: number;
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
