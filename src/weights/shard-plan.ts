/** Which tensor goes into which file of a conversion, and where: known before the first byte is read. */
import { WeightsError } from '../errors.ts';
import { STORED_BYTES, type StoredDtype } from './encode.ts';
import { excerpt } from './json-values.ts';

export interface TensorToStore {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: StoredDtype;
}

/** Consecutive elements of a tensor in a shard. */
export interface PlacedPart {
  readonly tensor: TensorToStore;
  /** What the shard calls it: the tensor's name, if the whole tensor is here. */
  readonly name: string;
  readonly firstElement: number;
  readonly elements: number;
  /** Byte of the file at which it begins. */
  readonly offset: number;
}

export interface Shard {
  readonly file: string;
  readonly size: number;
  /** The safetensors header, its length in front. */
  readonly header: Uint8Array;
  /** In the order of their bytes. */
  readonly parts: readonly PlacedPart[];
}

type Part = Omit<PlacedPart, 'offset'>;

const LENGTH_BYTES = 8;
/** Tensors begin at a multiple of it, so that readers can map any of them as it lies. */
const ALIGNMENT = 8;

/**
 * Lays tensors out in files of at most `shardBytes` bytes, in their order. A tensor that fits into a file is never cut; a
 * larger one is cut into parts that fill theirs.
 *
 * @param source where the tensors are from, for messages
 * @throws WeightsError for a tensor whose name alone fills a file
 */
export function planShards(tensors: readonly TensorToStore[], shardBytes: number, source: string): Shard[] {
  const shards: Part[][] = [];
  const empty = shardBytes - LENGTH_BYTES - ALIGNMENT - '{}'.length;
  let room = 0;
  const open = () => {
    shards.push([]);
    room = empty;
  };
  const place = (part: Part) => {
    shards.at(-1)!.push(part);
    room -= cost(part, shardBytes);
  };
  for (const tensor of tensors) {
    const elements = tensor.shape.reduce((product, n) => product * n, 1);
    const whole = { tensor, name: tensor.name, firstElement: 0, elements };
    if (cost(whole, shardBytes) <= empty) {
      if (cost(whole, shardBytes) > room) open();
      place(whole);
      continue;
    }
    // There are no more parts than elements, so that no part has a longer name.
    const oneElement = { ...whole, name: partName(tensor.name, elements), elements: 1 };
    if (cost(oneElement, shardBytes) > empty) {
      throw new WeightsError('the name of the tensor leaves no room for it in a file', {
        file: source,
        tensor: excerpt(tensor.name),
        expected: `a name that is shorter, or files of more than ${shardBytes} bytes`,
        found: `${tensor.name.length} characters`,
      });
    }
    for (let firstElement = 0, number = 1; firstElement < elements; number++) {
      const part = { tensor, name: partName(tensor.name, number), firstElement, elements: 0 };
      const bytesLeft = () => room - cost(part, shardBytes);
      if (bytesLeft() < STORED_BYTES[tensor.dtype]) open();
      const count = Math.min(elements - firstElement, Math.floor(bytesLeft() / STORED_BYTES[tensor.dtype]));
      place({ ...part, elements: count });
      firstElement += count;
    }
  }
  return shards.map((parts, index) => layOut(parts, shardName(index, shards.length)));
}

function partName(tensor: string, number: number): string {
  return `${tensor}.part-${String(number).padStart(5, '0')}`;
}

/** As Hugging Face's libraries name shards. */
function shardName(index: number, count: number): string {
  const five = (n: number) => String(n).padStart(5, '0');
  return `model-${five(index + 1)}-of-${five(count)}.safetensors`;
}

/** Bytes that a part takes of a shard at most: its own, and those of its entry in the header. */
function cost(part: Part, shardBytes: number): number {
  const entry = JSON.stringify(headerEntry(part, shardBytes, shardBytes));
  return part.elements * STORED_BYTES[part.tensor.dtype] + new TextEncoder().encode(entry).length;
}

function headerEntry({ tensor, name, elements }: Part, begin: number, end: number): Record<string, unknown> {
  const shape = name === tensor.name ? tensor.shape : [elements];
  return { [name]: { dtype: tensor.dtype, shape, data_offsets: [begin, end] } };
}

function layOut(parts: readonly Part[], file: string): Shard {
  // Those of large elements first: then each begins at a multiple of its own.
  const sorted = parts.toSorted((a, b) => STORED_BYTES[b.tensor.dtype] - STORED_BYTES[a.tensor.dtype]);
  let end = 0;
  const entries = sorted.map((part) => {
    const begin = end;
    end += part.elements * STORED_BYTES[part.tensor.dtype];
    return { part, begin, entry: headerEntry(part, begin, end) };
  });
  const header = encodeHeader(Object.assign({}, ...entries.map(({ entry }) => entry)));
  return {
    file,
    size: header.length + end,
    header,
    parts: entries.map(({ part, begin }) => ({ ...part, offset: header.length + begin })),
  };
}

function encodeHeader(entries: Record<string, unknown>): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(entries));
  const length = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(LENGTH_BYTES + length).fill(' '.charCodeAt(0));
  header.set(text, LENGTH_BYTES);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  return header;
}
