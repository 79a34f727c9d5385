/**
 * Stored elements to float32, as fast as the bytes come. Every conversion is exact but `q · scale + min`, which is
 * computed in float32 arithmetic as in dequantize_weights of the tensorflowjs converter. Weights of one level share its
 * rounding error, so that the arithmetic shows in the logits (VGG-19 here: 15.02144 against 15.02136 with float64).
 * Stored bytes are little-endian; so is every machine that has WebGPU.
 */
import type { Encoding } from './layout.ts';

/**
 * Decodes `count` elements that start at `bytes[0]`, at any alignment, into `out` from `at` on. A not-a-number keeps
 * its bits.
 */
type Decode = (bytes: Uint8Array, count: number, out: Float32Array<ArrayBuffer>, at: number) => void;

/** Turns a tensor's bytes, cut anywhere, into float32 pieces of at most `pieceElements` elements. */
export class PieceDecoder {
  readonly #decode: Decode;
  readonly #bytesPerElement: number;
  readonly #elementCount: number;
  readonly #pieceElements: number;
  /** Index of the first element of the piece being filled. */
  #offset = 0;
  #values: Float32Array<ArrayBuffer>;
  #filled = 0;
  /** First bytes of an element whose others come with the next call. */
  readonly #split = new Uint8Array(4);
  #splitLength = 0;

  constructor(encoding: Encoding, elementCount: number, pieceElements: number) {
    this.#decode = decoderOf(encoding);
    this.#bytesPerElement = encoding.dtype === 'float32' ? 4 : encoding.dtype === 'uint8' ? 1 : 2;
    this.#elementCount = elementCount;
    this.#pieceElements = pieceElements;
    this.#values = this.#nextValues();
  }

  /** Takes the tensor's next bytes and gives the pieces that they complete. */
  *push(bytes: Uint8Array): Generator<{ offset: number; values: Float32Array<ArrayBuffer> }> {
    let rest = bytes;
    while (rest.length > 0) {
      rest = rest.subarray(this.#splitLength > 0 ? this.#joinSplit(rest) : this.#decodeWhole(rest));
      if (this.#filled === this.#values.length) {
        yield { offset: this.#offset, values: this.#values };
        this.#offset += this.#filled;
        this.#filled = 0;
        this.#values = this.#nextValues();
      }
    }
  }

  #nextValues(): Float32Array<ArrayBuffer> {
    return new Float32Array(Math.min(this.#pieceElements, this.#elementCount - this.#offset));
  }

  /** Decodes as many whole elements as there are and have room; keeps a cut one. Returns the bytes taken. */
  #decodeWhole(bytes: Uint8Array): number {
    const count = Math.min(Math.floor(bytes.length / this.#bytesPerElement), this.#values.length - this.#filled);
    this.#decode(bytes, count, this.#values, this.#filled);
    this.#filled += count;
    return count > 0 ? count * this.#bytesPerElement : this.#joinSplit(bytes);
  }

  /** Adds bytes to the cut element, and decodes it when it is whole. Returns the bytes taken. */
  #joinSplit(bytes: Uint8Array): number {
    const taken = Math.min(this.#bytesPerElement - this.#splitLength, bytes.length);
    this.#split.set(bytes.subarray(0, taken), this.#splitLength);
    this.#splitLength += taken;
    if (this.#splitLength === this.#bytesPerElement) {
      this.#decode(this.#split, 1, this.#values, this.#filled);
      this.#filled += 1;
      this.#splitLength = 0;
    }
    return taken;
  }
}

function decoderOf(encoding: Encoding): Decode {
  switch (encoding.dtype) {
    case 'float32':
      return (bytes, count, out, at) => {
        new Uint8Array(out.buffer, out.byteOffset + 4 * at, 4 * count).set(bytes.subarray(0, 4 * count));
      };
    case 'float16': {
      const table = float16Table();
      return (bytes, count, out, at) => {
        const bits = new Uint32Array(out.buffer, out.byteOffset + 4 * at, count);
        for (let i = 0; i < count; i++) bits[i] = table[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
      };
    }
    case 'bfloat16':
      return (bytes, count, out, at) => {
        const bits = new Uint32Array(out.buffer, out.byteOffset + 4 * at, count);
        for (let i = 0; i < count; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
      };
    case 'uint8': {
      const { scale, min } = encoding;
      const table = Float32Array.from({ length: 256 }, (_, q) => dequantise(q, scale, min));
      return (bytes, count, out, at) => {
        for (let i = 0; i < count; i++) out[at + i] = table[bytes[i]!]!;
      };
    }
    case 'uint16': {
      const { scale, min } = encoding;
      return (bytes, count, out, at) => {
        for (let i = 0; i < count; i++) out[at + i] = dequantise(bytes[2 * i]! | (bytes[2 * i + 1]! << 8), scale, min);
      };
    }
  }
}

function dequantise(q: number, scale: number, min: number): number {
  return Math.fround(q * Math.fround(scale)) + Math.fround(min);
}

/** The float32 bits of each of the 65,536 float16 values: 256 KiB, made when a float16 tensor is met. */
function float16Table(): Uint32Array {
  const table = new Uint32Array(1 << 16);
  const value = new Float32Array(1);
  const valueBits = new Uint32Array(value.buffer);
  for (let half = 0; half < table.length; half++) {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      value[0] = fraction * 2 ** -24; // zero and the subnormals, all of them normal in float32
      table[half] = sign | valueBits[0]!;
    } else {
      // Exponent bias 15 becomes 127; infinity and not-a-number keep an exponent of all ones.
      const widened = exponent === 31 ? 255 : exponent + 112;
      table[half] = sign | (widened << 23) | (fraction << 13);
    }
  }
  return table;
}
