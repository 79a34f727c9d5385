/**
 * Stored elements, and what they are in float32. Every conversion is exact but `q · scale + min`, which is
 * computed in float32 arithmetic as in dequantize_weights of the tensorflowjs converter. Weights of one level share its
 * rounding error, so that the arithmetic shows in the logits (VGG-19 here: 15.02144 against 15.02136 with float64).
 * Stored bytes are little-endian; so is every machine that has WebGPU.
 */
import { float16Table } from './float16.ts';
import type { Encoding, WeightsDtype } from './layout.ts';

export const BYTES_PER_ELEMENT: Readonly<Record<WeightsDtype, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  uint8: 1,
  uint16: 2,
};

/** Cuts a tensor's bytes, which come in chunks of any size, into pieces of at most `pieceElements` whole elements. */
export class PieceCutter {
  readonly #bytesPerElement: number;
  readonly #pieceBytes: number;
  /** Of the tensor, from the piece being filled on. */
  #bytesLeft: number;
  /** Index of the first element of the piece being filled. */
  #offset = 0;
  #piece: Uint8Array<ArrayBuffer>;
  #filled = 0;

  constructor(dtype: WeightsDtype, elementCount: number, pieceElements: number) {
    this.#bytesPerElement = BYTES_PER_ELEMENT[dtype];
    this.#pieceBytes = pieceElements * this.#bytesPerElement;
    this.#bytesLeft = elementCount * this.#bytesPerElement;
    this.#piece = this.#nextPiece();
  }

  /** Takes the tensor's next bytes and gives the pieces that they complete. */
  *push(bytes: Uint8Array): Generator<{ offset: number; stored: Uint8Array<ArrayBuffer> }> {
    for (let taken = 0; taken < bytes.length; ) {
      const part = bytes.subarray(taken, taken + this.#piece.length - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      taken += part.length;
      if (this.#filled === this.#piece.length) {
        yield { offset: this.#offset, stored: this.#piece };
        this.#offset += this.#filled / this.#bytesPerElement;
        this.#bytesLeft -= this.#filled;
        this.#filled = 0;
        this.#piece = this.#nextPiece();
      }
    }
  }

  #nextPiece(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(Math.min(this.#pieceBytes, this.#bytesLeft));
  }
}

/**
 * The float32 values of whole elements. A not-a-number keeps its bits; float32 itself is not copied.
 *
 * @param stored beginning at a multiple of the element's size in its buffer
 */
export function decode(encoding: Encoding, stored: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const count = stored.length / BYTES_PER_ELEMENT[encoding.dtype];
  if (encoding.dtype === 'float32') return new Float32Array(stored.buffer, stored.byteOffset, count);
  const elements = encoding.dtype === 'uint8' ? stored : new Uint16Array(stored.buffer, stored.byteOffset, count);
  const values = new Float32Array(count);
  const bits = new Uint32Array(values.buffer);
  switch (encoding.dtype) {
    case 'float16': {
      const table = float16Table();
      for (let i = 0; i < count; i++) bits[i] = table[elements[i]!]!;
      break;
    }
    case 'bfloat16':
      for (let i = 0; i < count; i++) bits[i] = elements[i]! << 16;
      break;
    case 'uint8': {
      const { scale, min } = encoding;
      const table = Float32Array.from({ length: 256 }, (_, q) => dequantise(q, scale, min));
      for (let i = 0; i < count; i++) values[i] = table[elements[i]!]!;
      break;
    }
    case 'uint16': {
      const { scale, min } = encoding;
      for (let i = 0; i < count; i++) values[i] = dequantise(elements[i]!, scale, min);
      break;
    }
  }
  return values;
}

function dequantise(q: number, scale: number, min: number): number {
  return Math.fround(q * Math.fround(scale)) + Math.fround(min);
}
