/**
 * The safetensors format: 8 bytes with the header's length, the header in JSON, then the tensors' bytes.
 * https://huggingface.co/docs/safetensors/index#format
 */
import { type ByteReader, displayName } from './byte-reader.ts';
import { Fault } from './fault.ts';
import { isRecord } from './json-values.ts';
import { type Encoding, MAX_HEADER_BYTES, type StoredTensor, type TensorGroup, tensorExtent } from './layout.ts';

const LENGTH_BYTES = 8;

/** The number formats of weights, by their names in the format. */
export const FLOATS: Readonly<Record<string, { readonly bytes: number; readonly encoding: Encoding }>> = {
  F32: { bytes: 4, encoding: { dtype: 'float32' } },
  F16: { bytes: 2, encoding: { dtype: 'float16' } },
  BF16: { bytes: 2, encoding: { dtype: 'bfloat16' } },
};

/** Counters and masks next to the weights: their size must be known to read over them. */
const INTEGER_BYTES: Record<string, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  U32: 4,
  I32: 4,
  U64: 8,
  I64: 8,
};

interface PlacedTensor extends StoredTensor {
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads and checks the header; the reader then stands at the first tensor's first byte. No number of the header is
 * used before it is checked, and nothing is allocated by its word alone.
 *
 * @param location the file, as the store takes it
 * @param tensor what is looked for, for messages
 * @throws Fault for whatever is wrong with the header, WeightsError
 */
export async function readSafetensorsHeader(
  reader: ByteReader,
  location: string,
  tensor?: string,
): Promise<TensorGroup> {
  const file = displayName(location);
  const length = await readHeaderLength(reader, tensor);
  const bytes = await reader.readExactly(length, 'the header', tensor);
  const tensors = placeTensors(parseHeader(bytes, file), file);
  const headerBytes = LENGTH_BYTES + length;
  const expectedSize = headerBytes + (tensors.at(-1)?.end ?? 0);
  if (reader.size !== undefined && reader.size !== expectedSize) {
    const truncated = tensors.find((tensor) => headerBytes + tensor.end > reader.size!);
    if (truncated) throw new Fault('truncated', file, truncated.name, expectedSize, 1, reader.size);
    throw new Fault('goesOn', file, expectedSize, 1, reader.size);
  }
  return { files: [location], headerBytes, tensors };
}

async function readHeaderLength(reader: ByteReader, tensor: string | undefined): Promise<number> {
  const bytes = await reader.readExactly(LENGTH_BYTES, "the header's length", tensor);
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) throw new Fault('headerTooLong', reader.file, MAX_HEADER_BYTES, length);
  const least = LENGTH_BYTES + Number(length);
  if (reader.size !== undefined && reader.size < least) {
    throw new Fault('endsWithinHeader', reader.file, least, reader.size);
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array, file: string): [name: string, entry: unknown][] {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw new Fault('headerNotJson', file, cause);
  }
  if (!isRecord(header)) throw new Fault('headerNoObject', file, header);
  const twice = findRepeatedKey(text);
  if (twice !== undefined) throw new Fault('twice', file, twice.key, twice.tensor);
  return Object.entries(header).filter(([name]) => name !== '__metadata__');
}

/**
 * The first key that an object of the header has twice, and the tensor it belongs to. JSON.parse keeps the last one
 * without a word, so that two readers could take two different tensors for the same name.
 *
 * @param text valid JSON
 */
function findRepeatedKey(text: string): { key: string; tensor: string } | undefined {
  const open: (Set<string> | undefined)[] = []; // the keys of each object around the token; undefined for an array
  let tensor = '';
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(string!) as string;
      if (open.length === 1) tensor = key;
      const keys = open.at(-1)!;
      if (keys.has(key)) return { key, tensor };
      keys.add(key);
    }
  }
  return undefined;
}

/** The tensors in the order of their bytes, which must follow each other without gap or overlap from offset 0. */
function placeTensors(entries: [name: string, entry: unknown][], file: string): PlacedTensor[] {
  const tensors = entries.map(([name, entry]) => checkTensor(name, entry, file));
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const tensor of tensors) {
    if (tensor.begin !== end) throw new Fault('misplaced', file, tensor.name, end, tensor.begin);
    end = tensor.end;
  }
  return tensors;
}

function checkTensor(name: string, entry: unknown, file: string): PlacedTensor {
  const at = { file, tensor: name };
  if (!isRecord(entry)) throw new Fault('entryNoObject', at, entry);
  const { dtype, data_offsets: offsets } = entry;
  const float = typeof dtype === 'string' && Object.hasOwn(FLOATS, dtype) ? FLOATS[dtype] : undefined;
  const integerBytes =
    typeof dtype === 'string' && Object.hasOwn(INTEGER_BYTES, dtype) ? INTEGER_BYTES[dtype] : undefined;
  const bytesPerElement = float?.bytes ?? integerBytes;
  if (bytesPerElement === undefined) throw new Fault('dtypeUnknown', at, dtype);
  const extent = tensorExtent(entry.shape, bytesPerElement, at);
  const isOffset = (offset: unknown) => Number.isSafeInteger(offset) && (offset as number) >= 0;
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isOffset) || offsets[0] > offsets[1]) {
    throw new Fault('noByteRange', at, offsets);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== extent.byteLength) {
    throw new Fault('otherByteLength', at, extent.byteLength, dtype, entry.shape, end - begin);
  }
  return { name, ...extent, encoding: float?.encoding, dtype: dtype as string, begin, end };
}
