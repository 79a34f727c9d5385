/** Weights in several files, which one in JSON describes: a TensorFlow.js model.json, or an index of safetensors files. */
import { WeightsError } from '../errors.ts';
import { ByteReader, checksumOfShards, displayName } from './byte-reader.ts';
import { forgetIfBroken, type Store } from './checked-store.ts';
import { Fault } from './fault.ts';
import { MAX_HEADER_BYTES, type TensorGroup, type WeightsLayout } from './layout.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import { type DescribedModel, isShardIndex, parseShardIndex, type ShardIndex } from './shard-index.ts';
import { parseLayersModel } from './tfjs-layers.ts';

/**
 * Reads the description to its end, and the headers of the files where it does not say what lies in them.
 *
 * @param file the description's location
 * @param expected what the weights must be
 * @throws WeightsError, AbortError
 */
export async function readDescription(
  reader: ByteReader,
  file: string,
  store: Store,
  { checksum, signal }: { checksum?: string; signal?: AbortSignal },
): Promise<{ layout: WeightsLayout; model?: DescribedModel }> {
  const origin = displayName(file);
  const json = await readJson(reader);
  await reader.close();
  const resolve = (path: string) => store.resolve(file, path);
  if (!isShardIndex(json)) return { layout: parseLayersModel(json, origin, resolve) };
  const index = parseShardIndex(json, origin, resolve);
  const groups = index.groups ?? (await readShardHeaders(index, origin, store, signal));
  await refuseOtherShards(groups, origin, checksum);
  return { layout: { format: 'safetensors', groups }, model: index.model };
}

async function readJson(reader: ByteReader): Promise<unknown> {
  const bytes = await reader.readUpTo(MAX_HEADER_BYTES + 1);
  const { file } = reader;
  if (bytes.length > MAX_HEADER_BYTES) {
    throw new WeightsError('too long for a model.json', { file, expected: `at most ${MAX_HEADER_BYTES} bytes` });
  }
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    const expected = 'the model.json of a TensorFlow.js layers-model, or an index of safetensors files';
    throw new WeightsError('not JSON', { file, expected }, { cause });
  }
}

/** Hugging Face's own index says which tensor lies in which shard, and nothing more: the rest is in the shards' headers. */
async function readShardHeaders(
  { shards }: ShardIndex,
  index: string,
  store: Store,
  signal: AbortSignal | undefined,
): Promise<TensorGroup[]> {
  const groups: TensorGroup[] = [];
  for (const { location, names } of shards) {
    const reader = new ByteReader(store, [{ location, estimatedBytes: Infinity }]);
    reader.abortOn(signal);
    try {
      const group = await readSafetensorsHeader(reader, location);
      const missing = names.find((name) => !group.tensors.some((tensor) => tensor.name === name));
      if (missing !== undefined) {
        throw new WeightsError('the index puts a tensor into this file that is not there', {
          file: displayName(location),
          tensor: missing,
          expected: `${names.length} tensors of ${index}`,
          found: `${group.tensors.length} tensors`,
        });
      }
      const twice = group.tensors.find(({ name }) =>
        groups.some(({ tensors }) => tensors.some((t) => t.name === name)),
      );
      if (twice !== undefined) {
        const at = { file: displayName(location), tensor: twice.name };
        throw new WeightsError('another file of the index has the tensor too', at);
      }
      const size = group.tensors.reduce((sum, { byteLength }) => sum + byteLength, group.headerBytes);
      groups.push({ ...group, shard: { size } });
      await reader.close();
    } catch (error) {
      await forgetIfBroken(error, reader, store);
      throw error;
    }
  }
  return groups;
}

/** An index with checksums tells before the shards are read whether they are the ones that are wanted. */
async function refuseOtherShards(
  groups: readonly TensorGroup[],
  file: string,
  expected: string | undefined,
): Promise<void> {
  const sha256s = groups.flatMap(({ shard }) => shard?.sha256 ?? []);
  if (expected === undefined || sha256s.length < groups.length) return;
  const found = await checksumOfShards(sha256s);
  if (found !== expected) throw new Fault('wrongChecksum', file, expected, found);
}
