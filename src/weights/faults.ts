/**
 * What can be wrong with weights, in words: a module of its own that is loaded when something is. Transfers that fail are told
 * of without it (byte-reader.ts), as it could not be loaded then either. What comes first is the file, or the place in it:
 * Fault tells them where this module does not come.
 */
import { WeightsError } from '../errors.ts';
import { excerpt } from './json-values.ts';

/** Where the fault is. */
interface Place {
  readonly file: string;
  readonly tensor: string;
}

// Of files.

export function endsWithin(file: string, what: string, tensor: string | undefined, length: number, found: number) {
  return new WeightsError(`the file ends within ${what}`, {
    file,
    tensor,
    expected: `${length} bytes`,
    found: `${found} bytes`,
  });
}

export function otherThanIndex(
  file: string,
  what: string,
  tensor: string | undefined,
  expected: string,
  found: string,
) {
  return new WeightsError(`the file has another ${what} than its index says`, { file, tensor, expected, found });
}

export function pointer(file: string, tensor: string | undefined) {
  return new WeightsError('a Git LFS pointer instead of weights; run git lfs pull', { file, tensor });
}

export function wrongChecksum(file: string, expected: string, found: string) {
  return new WeightsError('the checksum is wrong', { file, expected, found });
}

/** @param shards how many files have the bytes together */
export function truncated(file: string, tensor: string | undefined, bytes: number, shards: number, found: number) {
  const expected = `${bytes} bytes${together(shards)}`;
  return new WeightsError('the file is truncated', { file, tensor, expected, found: `${found} bytes` });
}

/** @param found bytes, if they were counted */
export function goesOn(file: string, bytes: number, shards: number, found?: number) {
  return new WeightsError('the file goes on after the last tensor', {
    file,
    expected: `${bytes} bytes${together(shards)}`,
    found: found === undefined ? 'more' : `${found} bytes`,
  });
}

function together(shards: number): string {
  return shards > 1 ? ` in ${shards} shards together` : '';
}

export function notAsIndexed(file: string, tensor: string | undefined, expected: string, found: string) {
  const problem = 'the file does not hold what its index says, or it has changed';
  return new WeightsError(problem, { file, tensor, expected, found });
}

// Of headers.

export function headerTooLong(file: string, most: number, length: bigint) {
  return new WeightsError('not a safetensors file: the header is too long', {
    file,
    expected: `at most ${most} bytes`,
    found: `${length} bytes`,
  });
}

export function endsWithinHeader(file: string, least: number, size: number) {
  return new WeightsError('the file ends within the header', {
    file,
    expected: `${least} bytes or more`,
    found: `${size} bytes`,
  });
}

export function headerNotJson(file: string, cause: unknown) {
  return new WeightsError('the safetensors header is not JSON', { file }, { cause });
}

export function headerNoObject(file: string, header: unknown) {
  return new WeightsError('the safetensors header is not a JSON object', { file, found: excerpt(header) });
}

export function twice(file: string, key: string, tensor: string) {
  return new WeightsError(`the safetensors header has ${excerpt(key)} twice`, { file, tensor });
}

export function misplaced(file: string, tensor: string, expected: number, found: number) {
  return new WeightsError(
    found < expected ? "the tensor's bytes overlap another tensor's" : "unused bytes before the tensor's",
    { file, tensor, expected: `data_offsets from ${expected}`, found: `from ${found}` },
  );
}

// Of tensors' entries in headers and indices.

export function entryNoObject(at: Place, entry: unknown) {
  return new WeightsError('the header entry is not an object', { ...at, found: excerpt(entry) });
}

export function dtypeUnknown(at: Place, dtype: unknown) {
  return new WeightsError('the dtype cannot be read', { ...at, expected: 'F32, F16 or BF16', found: excerpt(dtype) });
}

export function noByteRange(at: Place, offsets: unknown) {
  return new WeightsError('data_offsets is not a byte range', {
    ...at,
    expected: '[begin, end], begin ≤ end',
    found: excerpt(offsets),
  });
}

export function otherByteLength(at: Place, bytes: number, dtype: unknown, shape: unknown, found: number) {
  return new WeightsError('data_offsets does not fit shape and dtype', {
    ...at,
    expected: `${bytes} bytes for ${dtype} ${excerpt(shape)}`,
    found: `${found} bytes`,
  });
}

export function noShape(at: Place, shape: unknown) {
  return new WeightsError('the shape is not a list of sizes', {
    ...at,
    expected: 'whole numbers of at least 0',
    found: excerpt(shape),
  });
}

export function shapeTooLarge(at: Place, shape: unknown) {
  return new WeightsError('the shape is impossibly large', { ...at, found: excerpt(shape) });
}

// Of tensors that a network is loaded with.

export function notFinite(at: Place, value: number, element: number) {
  return new WeightsError('a tensor holds a value that is not a finite number', {
    ...at,
    expected: 'finite numbers',
    found: `${value} at element ${element}`,
  });
}

/** @param element undefined where the value is made of one by batch normalisation */
export function beyondFloat16(at: Place, value: number, element: number | undefined) {
  const what = element === undefined ? 'a tensor times the scale of its batch normalisation' : 'a tensor';
  return new WeightsError(`${what} holds a value that float16 cannot hold; load the model with the precision 'f32'`, {
    ...at,
    expected: 'numbers from -65504 to 65504',
    found: element === undefined ? `${value}` : `${value} at element ${element}`,
  });
}

/** @param names that the tensor of the network's first layer may have */
export function otherNetwork(file: string, network: string, layer: string, names: readonly string[], found: Names) {
  return new WeightsError(`these are not weights of ${network}`, {
    file,
    tensor: layer,
    expected: names.join(' or '),
    found: listed(found),
  });
}

export function missing(at: Place, shapes: readonly Shape[], found: Names) {
  return new WeightsError('a tensor of the network is missing', {
    ...at,
    expected: shapes.map(formatted).join(' or '),
    found: `no such tensor among ${found.length} (${listed(found)})`,
  });
}

export function otherShape(at: Place, shapes: readonly Shape[], found: Shape) {
  return new WeightsError('a tensor has another shape than the network', {
    ...at,
    expected: shapes.map(formatted).join(' or '),
    found: formatted(found),
  });
}

export function foreign(at: Place, shape: Shape, ofNetwork: number) {
  return new WeightsError('the file holds a tensor that the network does not have', {
    ...at,
    expected: `the ${ofNetwork} tensors of the network only`,
    found: `${at.tensor} ${formatted(shape)}`,
  });
}

type Names = readonly string[];
type Shape = readonly number[];

function formatted(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

function listed(names: Names): string {
  return names.length === 0 ? 'no tensors' : names.slice(0, 4).join(', ') + (names.length > 4 ? ', …' : '');
}
