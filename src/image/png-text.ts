/**
 * Text in PNG files, beside the pixels: iTXt chunks, not compressed (PNG specification, third edition, section 11.3.3.4).
 * What a PNG's pixels were made with can so travel in the file itself. Encoders that write a PNG anew leave it out.
 */
import { ImageError } from '../errors.ts';

/** Keyword of what the command line writes into overlays: the JSON of how they were made. */
export const PNG_KEYWORD = 'gradcam';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Of a chunk besides its data: length, type and CRC. */
const CHUNK_FRAME_BYTES = 12;

/**
 * A copy of a PNG file with a text in it, behind the header: in front of, and so instead of, one with the same keyword.
 *
 * @param keyword 1 to 79 printable ASCII characters
 * @throws ImageError if the bytes are no PNG file, RangeError for a keyword that is none
 */
export function addPngText(png: Uint8Array, keyword: string, text: string): Uint8Array<ArrayBuffer> {
  if (!/^[!-~](?:[ -~]{0,77}[!-~])?$/.test(keyword)) throw new RangeError(`'${keyword}' is no keyword of a PNG file`);
  const [header] = chunksOf(png);
  if (header?.type !== 'IHDR') throw new ImageError('not a PNG file: it does not begin with a header (IHDR)');
  // Keyword, end; compression flag and method; language and translated keyword, both empty; text.
  const data = [bytesOf(keyword), new Uint8Array(5), bytesOf(text)];
  const chunk = encodeChunk('iTXt', concatenated(data));
  return concatenated([png.subarray(0, header.end), chunk, png.subarray(header.end)]);
}

/**
 * The text that a PNG file holds under a keyword, if there is one.
 *
 * @throws ImageError if the bytes are no PNG file, or the text in it is damaged
 */
export function pngText(png: Uint8Array, keyword: string): string | undefined {
  const start = [...bytesOf(keyword), 0];
  for (const { type, data, crc } of chunksOf(png)) {
    if (type !== 'iTXt' || !start.every((byte, i) => data[i] === byte)) continue;
    if (crc !== crc32(concatenated([bytesOf(type), data]))) throw damaged(`its text '${keyword}'`);
    const languageEnd = data.indexOf(0, start.length + 2);
    const keywordEnd = data.indexOf(0, languageEnd + 1);
    const isCompressed = data[start.length] !== 0;
    if (isCompressed || languageEnd < 0 || keywordEnd < 0) throw damaged(`the form of its text '${keyword}'`);
    return new TextDecoder().decode(data.subarray(keywordEnd + 1));
  }
  return undefined;
}

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  readonly crc: number;
  /** Where the next one begins. */
  readonly end: number;
}

function* chunksOf(png: Uint8Array): Generator<Chunk, void, undefined> {
  if (!SIGNATURE.every((byte, i) => png[i] === byte))
    throw new ImageError('not a PNG file: its signature is not there');
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = at + 8 <= png.length ? view.getUint32(at) : Number.POSITIVE_INFINITY;
    const end = at + CHUNK_FRAME_BYTES + length;
    if (end > png.length) throw damaged('a chunk that goes on behind the end of the file');
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    yield { type, data: png.subarray(at + 8, end - 4), crc: view.getUint32(end - 4), end };
    at = end;
  }
}

function damaged(what: string): ImageError {
  return new ImageError(`the PNG file is damaged: ${what}`);
}

function encodeChunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = concatenated([new Uint8Array(4), bytesOf(type), data, new Uint8Array(4)]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(4, -4)));
  return bytes;
}

/** CRC-32 of ISO 3309, as PNG has it, bit by bit: texts are short. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
