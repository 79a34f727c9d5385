/** float32 values in the number formats that `gradcam convert` stores weights in: the way back from decode.ts. */
import { WeightsError } from '../errors.ts';
import { FLOAT16_OVERFLOW, toFloat16 } from './float16.ts';
import type { Encoding } from './layout.ts';
import type { IndexedTensor } from './shard-index.ts';

/** Number formats of converted weights. */
export const STORED_PRECISIONS = ['f32', 'f16', 'u8'] as const;
export type StoredPrecision = (typeof STORED_PRECISIONS)[number];

/** A format that tensors are written in, by its name in safetensors. */
export type StoredDtype = 'F32' | 'F16' | 'U8';

export const STORED_BYTES: Readonly<Record<StoredDtype, number>> = { F32: 4, F16: 2, U8: 1 };

/**
 * The format that a tensor is written in. Biases and the vectors of batch normalisation are a thousandth of a network's
 * bytes and go into every output: they are never rounded.
 */
export function storedDtype(shape: readonly number[], own: Encoding, precision: StoredPrecision): StoredDtype {
  if (precision === 'f32') return 'F32';
  if (shape.length < 2) return own.dtype === 'float16' ? 'F16' : 'F32';
  return precision === 'f16' ? 'F16' : 'U8';
}

export interface EncodedTensor extends Pick<IndexedTensor, 'scale' | 'min'> {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Encodes a whole tensor. U8 is affine, one scale and one min for the tensor, with zero among its values where the tensor
 * has values on both sides of it: as the TensorFlow.js converter quantises.
 *
 * @throws WeightsError for a value that the format cannot hold
 */
export function encode(
  values: Float32Array<ArrayBuffer>,
  dtype: StoredDtype,
  at: { file: string; tensor: string },
): EncodedTensor {
  const [least, greatest] = range(values, at);
  if (dtype === 'F32') return { bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
  if (dtype === 'F16') {
    if (Math.max(-least, greatest) >= FLOAT16_OVERFLOW) {
      throw new WeightsError("float16 cannot hold the tensor; convert with the precision 'f32'", {
        ...at,
        expected: 'numbers from -65504 to 65504',
        found: `${least} to ${greatest}`,
      });
    }
    return { bytes: new Uint8Array(toFloat16(values).buffer) };
  }
  const { scale, min } = affine(least, greatest);
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    bytes[i] = Math.min(255, Math.max(0, Math.round((values[i]! - min) / scale)));
  }
  return { bytes, scale, min };
}

/** Scale and min, in float32 as decode() computes with them, that spread 0 … 255 over the range. */
function affine(least: number, greatest: number): { scale: number; min: number } {
  if (least === greatest) return { scale: 1, min: least };
  // Halved on the way: the difference of two float32 numbers may lie beyond the greatest.
  const scale = Math.fround(2 * (greatest / 510 - least / 510));
  // A tensor of zero's neighbours only has no step between them.
  if (scale === 0) return { scale: 1, min: 0 };
  const hasZero = least < 0 && greatest > 0;
  return { scale, min: Math.fround(hasZero ? -Math.round(-least / scale) * scale : least) };
}

function range(values: Float32Array, at: { file: string; tensor: string }): [least: number, greatest: number] {
  let least = Infinity;
  let greatest = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // Written so that a not-a-number fails it.
    if (!(Math.abs(value) < Infinity)) {
      throw new WeightsError('a tensor holds a value that is not a finite number', {
        ...at,
        expected: 'finite numbers',
        found: `${value} at element ${i}`,
      });
    }
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return values.length === 0 ? [0, 0] : [least, greatest];
}
