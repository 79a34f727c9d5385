/**
 * NumPy's .npy files (format versions 1 to 3): https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 * One array per file: a magic number, a header that is a Python dict literal, then the elements.
 */
import { ImageError } from '../errors.ts';

export interface NpyArray {
  /** NumPy's type string, such as '|u1' (uint8) or '<f4' (float32, little-endian). */
  readonly dtype: string;
  /** true: the first index varies fastest (Fortran's order); false: the last one (C's). */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** The elements' bytes, as stored. */
  readonly bytes: Uint8Array;
}

const MAGIC = '\x93NUMPY';
/** numpy.lib.format refuses longer headers of untrusted files. */
const MAX_HEADER_BYTES = 10_000;
const HEADER =
  /^\s*\{\s*'descr':\s*'([^']*)',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(((?:\s*\d+L?\s*,?)*)\)\s*,?\s*\}\s*$/;

/**
 * Reads the array in a .npy file.
 *
 * @param file named in messages.
 * @throws ImageError if the bytes are not one whole array of plain elements.
 */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10 || latin1(bytes.subarray(0, 6)) !== MAGIC) {
    throw new ImageError(`${file}: not a NumPy .npy file (it does not begin with its magic number)`);
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw new ImageError(`${file}: .npy format version ${version}; known are 1 to 3`);
  const headerStart = version === 1 ? 10 : 12;
  if (bytes.length < headerStart) throw new ImageError(`${file}: the file ends within its .npy header`);
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > MAX_HEADER_BYTES || headerStart + headerBytes > bytes.length) {
    throw new ImageError(`${file}: a .npy header of ${headerBytes} bytes, in a file of ${bytes.length}`);
  }
  const header = latin1(bytes.subarray(headerStart, headerStart + headerBytes));
  const match = HEADER.exec(header);
  if (!match) {
    throw new ImageError(`${file}: its .npy header is not that of an array of plain elements: ${header.trim()}`);
  }
  const [, dtype, order, dimensions] = match as unknown as [string, string, string, string];
  const shape = (dimensions.match(/\d+/g) ?? []).map(Number);
  const data = bytes.subarray(headerStart + headerBytes);
  const expected = shape.reduce((product, n) => product * n, elementBytes(dtype, file));
  if (data.length !== expected) {
    const array = `${dtype} ${formatShape(shape)}`;
    throw new ImageError(`${file}: ${array} takes ${expected} bytes of elements, the file has ${data.length}`);
  }
  return { dtype, fortranOrder: order === 'True', shape, bytes: data };
}

function elementBytes(dtype: string, file: string): number {
  const size = /^[<>|=]?[biufc](\d+)$/.exec(dtype)?.[1];
  if (size === undefined) throw new ImageError(`${file}: elements of dtype '${dtype}' are not plain numbers`);
  return Number(size);
}

/** An array's shape as NumPy writes it: (224, 224, 3), and (5,) for a single dimension. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
}

/**
 * Writes a .npy file of float32 in C order, as numpy.save does.
 *
 * @throws RangeError if `values` does not have the product of `shape` elements.
 */
export function encodeNpy(values: Float32Array, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((product, n) => product * n, 1);
  if (count !== values.length) {
    throw new RangeError(`shape ${formatShape(shape)} has ${count} elements; ${values.length} were given`);
  }
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': ${formatShape(shape)}, }`;
  // Spaces and a newline fill the header up, so that the elements begin at a multiple of 64 bytes.
  const start = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const bytes = new Uint8Array(start + 4 * count);
  const view = new DataView(bytes.buffer);
  const header = `${dict.padEnd(start - 10 - 1)}\n`;
  bytes.set(Array.from(MAGIC, (c) => c.charCodeAt(0)));
  bytes.set([1, 0], 6);
  view.setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  for (let i = 0; i < count; i++) view.setFloat32(start + 4 * i, values[i]!, true);
  return bytes;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
