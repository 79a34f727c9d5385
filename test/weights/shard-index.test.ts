import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileCache, nodeStore } from '../../src/node/files.ts';
import { openWeights } from '../../src/weights/source.ts';
import { readAll, serve, type TestServer, weightsErrorOf } from './helpers.ts';
import { concat, encodeSafetensors, float32, memoryStore, type PlainTensor, utf8 } from './made-files.ts';

const INDEX = 'model.safetensors.index.json';
const FILES = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

const first: PlainTensor[] = [float32('a', [2, 2], [1, 2, 3, 4]), float32('b.1', [2], [5, 6])];
const second: PlainTensor[] = [
  float32('b.2', [1], [7]),
  { name: 'q', dtype: 'U8', shape: [3], bytes: Uint8Array.of(0, 1, 255) },
];
const shards = [encodeSafetensors(first), encodeSafetensors(second)];
/** b is cut in two, q is quantised. */
const VALUES = new Map([
  ['a', Float32Array.of(1, 2, 3, 4)],
  ['b', Float32Array.of(5, 6, 7)],
  ['q', Float32Array.of(-1, -0.5, 126.5)],
]);

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(concat(parts)).digest('hex');

function description() {
  return {
    version: 1 as unknown,
    model: { name: 'vgg16', classes: 3, labels: ['x', 'y', 'z'] } as unknown,
    files: Object.fromEntries(
      shards.map((shard, i) => [FILES[i]!, { size: shard.length, sha256: sha256(shard) } as Record<string, unknown>]),
    ),
    tensors: {
      a: { dtype: 'F32', shape: [2, 2] },
      b: {
        dtype: 'F32',
        shape: [3],
        parts: [
          { name: 'b.1', elements: 2 },
          { name: 'b.2', elements: 1 },
        ],
      },
      q: { dtype: 'U8', shape: [3], scale: 0.5, min: -1 },
    } as Record<string, unknown>,
  };
}
const WEIGHT_MAP: Record<string, unknown> = { a: FILES[0], 'b.1': FILES[0], 'b.2': FILES[1], q: FILES[1] };

function indexOf(gradcam: unknown = description(), weightMap: unknown = WEIGHT_MAP): Uint8Array {
  return utf8(JSON.stringify({ metadata: { total_size: 31, gradcam }, weight_map: weightMap }));
}
const folderOf = (index: Uint8Array) => ({ [INDEX]: index, [FILES[0]]: shards[0]!, [FILES[1]]: shards[1]! });

describe('sharded safetensors with checksums', () => {
  it('are read through their index alone, with parts joined and 8 bits decoded', async () => {
    const store = memoryStore(folderOf(indexOf()), { chunkBytes: 7 });
    const file = await openWeights(INDEX, { store });
    expect(store.opened).toEqual([INDEX]);
    expect([...file.tensors.values()]).toEqual([
      { name: 'a', shape: [2, 2], encoding: { dtype: 'float32' }, file: INDEX },
      { name: 'b', shape: [3], encoding: { dtype: 'float32' }, file: INDEX },
      { name: 'q', shape: [3], encoding: { dtype: 'uint8', scale: 0.5, min: -1 }, file: INDEX },
    ]);
    expect(file).toMatchObject({
      format: 'safetensors',
      origin: INDEX,
      model: { name: 'vgg16', labels: ['x', 'y', 'z'] },
    });
    const progress: number[] = [];
    const onProgress = ({ loadedBytes, totalBytes }: { loadedBytes: number; totalBytes: number }) => {
      expect(totalBytes).toBe(shards[0]!.length + shards[1]!.length);
      progress.push(loadedBytes);
    };
    for (let i = 0; i < 2; i++) expect(await readAll(file, { pieceElements: 2, onProgress })).toEqual(VALUES);
    expect(progress.at(-1)).toBe(shards[0]!.length + shards[1]!.length);
  });

  it('have a checksum that their index tells before they are read', async () => {
    const store = memoryStore(folderOf(indexOf()));
    const file = await openWeights(INDEX, { store });
    await readAll(file);
    const checksum = `sha256-${sha256(...shards.map((shard) => utf8(`${sha256(shard)}\n`)))}`;
    expect(file.checksum()).toBe(checksum);
    expect(await readAll(await openWeights(INDEX, { store, checksum }))).toEqual(VALUES);
    store.opened.length = 0;
    const error = await weightsErrorOf(() => openWeights(INDEX, { store, checksum: `sha256-${'0'.repeat(64)}` }));
    expect(error).toMatchObject({ file: INDEX, found: checksum });
    expect(store.opened).toEqual([INDEX]);
  });

  it.each([
    ['shorter', { size: shards[1]!.length, bytes: shards[1]!.slice(0, -1) }],
    ['longer', { size: shards[1]!.length, bytes: concat([shards[1]!, Uint8Array.of(0)]) }],
  ])('are refused where one is %s than it must be', async (_, { size, bytes }) => {
    const at = { file: FILES[1], expected: `${size} bytes`, found: `${bytes.length} bytes` };
    for (const sized of [true, false]) {
      const store = memoryStore({ ...folderOf(indexOf()), [FILES[1]]: bytes }, { sized });
      const error = await weightsErrorOf(async () => readAll(await openWeights(INDEX, { store })));
      expect(error, error.message).toMatchObject(sized ? at : { file: FILES[1] });
    }
  });

  it('are refused where a byte is another one', async () => {
    const bytes = shards[1]!.slice();
    bytes[bytes.length - 1]! ^= 1;
    const store = memoryStore({ ...folderOf(indexOf()), [FILES[1]]: bytes });
    const error = await weightsErrorOf(async () => readAll(await openWeights(INDEX, { store })));
    expect(error).toMatchObject({ file: FILES[1], expected: sha256(shards[1]!), found: sha256(bytes) });
    expect(error.message).toContain('the file has another SHA-256 than its index says');
  });

  it('are read in the order of their bytes, whatever that of the index', async () => {
    for (const compare of [(a: string, b: string) => (a < b ? 1 : -1), (a: string, b: string) => (a < b ? -1 : 1)]) {
      const weightMap = Object.fromEntries(Object.entries(WEIGHT_MAP).sort(([a], [b]) => compare(a, b)));
      const store = memoryStore(folderOf(indexOf(description(), weightMap)), { chunkBytes: 5 });
      expect(await readAll(await openWeights(INDEX, { store }))).toEqual(VALUES);
    }
    const other = encodeSafetensors([second[1]!, second[0]!]);
    const told = description();
    told.files[FILES[1]] = { size: other.length, sha256: sha256(other) };
    const store = memoryStore({ ...folderOf(indexOf(told)), [FILES[1]]: other });
    expect(await readAll(await openWeights(INDEX, { store }))).toEqual(VALUES);
  });

  it.each<[string, PlainTensor[], string, RegExp]>([
    ['another tensor', [float32('c', [1], [7]), second[1]!], 'c', /expected nothing; found c, F32, 4 bytes/],
    ['a tensor too few', [second[1]!], 'b', /expected b\.2, F32, 4 bytes; found nothing/],
    [
      'other elements',
      [second[0]!, { name: 'q', dtype: 'U8', shape: [2], bytes: Uint8Array.of(0, 1) }],
      'q',
      /expected q, U8, 3 bytes; found q, U8, 2 bytes/,
    ],
    [
      'another number format of that size',
      [{ name: 'b.2', dtype: 'BF16', shape: [2], bytes: new Uint8Array(4) }, second[1]!],
      'b',
      /expected b\.2, F32, 4 bytes; found b\.2, BF16, 4 bytes/,
    ],
  ])('are refused where the file has %s', async (_, tensors, tensor, message) => {
    const other = encodeSafetensors(tensors);
    const told = description();
    told.files[FILES[1]] = { size: other.length, sha256: sha256(other) };
    const store = memoryStore({ ...folderOf(indexOf(told)), [FILES[1]]: other });
    const error = await weightsErrorOf(async () => readAll(await openWeights(INDEX, { store })));
    expect(error).toMatchObject({ file: FILES[1], tensor });
    expect(error.message).toMatch(/does not hold what its index says/);
    expect(error.message).toMatch(message);
  });
});

describe("Hugging Face's own sharded files", () => {
  const plain = [encodeSafetensors(first), encodeSafetensors([second[0]!])];
  const weightMap = { 'b.2': 'two.safetensors', a: 'one.safetensors', 'b.1': 'one.safetensors' };
  const folder = (map: Record<string, string> = weightMap) => ({
    [INDEX]: utf8(JSON.stringify({ metadata: { total_size: 28 }, weight_map: map })),
    'one.safetensors': plain[0]!,
    'two.safetensors': plain[1]!,
  });
  const values = new Map([
    ['a', Float32Array.of(1, 2, 3, 4)],
    ['b.1', Float32Array.of(5, 6)],
    ['b.2', Float32Array.of(7)],
  ]);

  it('are described by their headers', async () => {
    const store = memoryStore(folder(), { chunkBytes: 16 });
    const file = await openWeights(INDEX, { store });
    expect(store.cancelled.sort()).toEqual(['one.safetensors', 'two.safetensors']);
    expect(file.model).toBeUndefined();
    expect(await readAll(file)).toEqual(values);
    expect(file.checksum()).toBe(`sha256-${sha256(...plain)}`);
  });

  it('are refused where a tensor is missing, or there twice', async () => {
    const missing = memoryStore(folder({ ...weightMap, c: 'two.safetensors' }));
    expect(await weightsErrorOf(() => openWeights(INDEX, { store: missing }))).toMatchObject({
      file: 'two.safetensors',
      tensor: 'c',
    });
    const twice = memoryStore({ ...folder(), 'two.safetensors': encodeSafetensors([second[0]!, first[0]!]) });
    expect(await weightsErrorOf(() => openWeights(INDEX, { store: twice }))).toMatchObject({
      file: 'two.safetensors',
      tensor: 'a',
    });
  });
});

describe('a broken index', () => {
  const withTensors = (change: Record<string, unknown>) => {
    const told = description();
    return indexOf({ ...told, tensors: { ...told.tensors, ...change } });
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['without a map', utf8('{"weight_map": {}}'), /maps no tensors to files/],
    ['with a list for a map', utf8('{"weight_map": ["a"]}'), /maps no tensors to files; found \["a"\]/],
    ['with a number for a file', indexOf(undefined, { a: 7 }), /where the tensor is; tensor a; .*found 7/],
    [
      'that leaves the folder',
      indexOf(undefined, { a: '/etc/passwd' }),
      /not relative to model.safetensors.index.json/,
    ],
    ['of the future', indexOf({ ...description(), version: 2 }), /convert anew; expected .*version 1.*found version 2/],
    [
      'without a size',
      indexOf({ ...description(), files: { [FILES[0]]: { sha256: '0' } } }),
      /lacks the size or the SHA-256 of model-00001/,
    ],
    ['with a tensor too many', withTensors({ c: { dtype: 'F32', shape: [1] } }), /where the tensor is; tensor c/],
    ['with a tensor too few', indexOf(undefined, { ...WEIGHT_MAP, c: FILES[0] }), /does not describe; tensor c/],
    [
      'with a strange dtype',
      withTensors({ a: { dtype: 'F8', shape: [4] } }),
      /dtype cannot be read; tensor a; .*found "F8"/,
    ],
    ['without a scale', withTensors({ q: { dtype: 'U8', shape: [3], min: 0 } }), /no scale and min; tensor q/],
    ['with a strange shape', withTensors({ a: { dtype: 'F32', shape: [-1] } }), /not a list of sizes; tensor a/],
    [
      'with parts that are not the whole',
      withTensors({
        b: {
          dtype: 'F32',
          shape: [4],
          parts: [
            { name: 'b.1', elements: 2 },
            { name: 'b.2', elements: 1 },
          ],
        },
      }),
      /do not make the whole; tensor b; expected 4 elements; found 3/,
    ],
    [
      'with parts that are none',
      withTensors({ b: { dtype: 'F32', shape: [3], parts: 'b.1' } }),
      /parts are not described; tensor b/,
    ],
    [
      'with a tensor as large as the file',
      withTensors({ a: { dtype: 'F32', shape: [100] } }),
      /more into model-00001.* than it holds/,
    ],
    [
      'with labels that are numbers',
      indexOf({ ...description(), model: { name: 'vgg16', labels: [1] } }),
      /does not describe its model/,
    ],
  ])('%s is refused', async (_, index, message) => {
    const error = await weightsErrorOf(() => openWeights(INDEX, { store: memoryStore(folderOf(index)) }));
    expect(error.file).toBe(INDEX);
    expect(error.message).toMatch(message);
  });
});

describe('a download of shards', () => {
  let cacheFolder: string;
  let files: Record<string, Uint8Array | undefined>;
  let server: TestServer;
  beforeEach(async () => {
    cacheFolder = await mkdtemp(join(tmpdir(), 'gradcam-shards-'));
    files = folderOf(indexOf());
    server = await serve(
      Object.fromEntries(
        Object.keys(files).map((name) => [
          `/w/${name}`,
          (response) => (files[name] ? response.end(files[name]) : response.writeHead(503).end()),
        ]),
      ),
    );
  });
  afterEach(async () => {
    await server.close();
    await rm(cacheFolder, { recursive: true });
  });
  const load = async (path = 'w/') => {
    const file = await openWeights(server.url + path, { store: nodeStore(), cache: fileCache(cacheFolder) });
    return readAll(file);
  };
  const requests = () => server.requests.splice(0).map((path) => path.slice('/w/'.length));

  it('is found by the URL of the folder or of the index, and kept', async () => {
    expect(await load()).toEqual(VALUES);
    expect(requests()).toEqual([INDEX, ...FILES]);
    expect(await load(`w/${INDEX}`)).toEqual(VALUES);
    expect(requests()).toEqual([INDEX]);
    expect(await readdir(cacheFolder)).toHaveLength(3);
  });

  it('goes on at the shard where it broke off', async () => {
    files[FILES[1]] = undefined;
    expect(await weightsErrorOf(load)).toMatchObject({ file: `${server.url}w/${FILES[1]}`, tensor: 'b' });
    requests();
    files[FILES[1]] = shards[1]!;
    expect(await load()).toEqual(VALUES);
    expect(requests()).toEqual([INDEX, FILES[1]]);
  });

  it('keeps the shards that are right where one is wrong', async () => {
    files[FILES[1]] = shards[1]!.map((byte, i) => (i === shards[1]!.length - 1 ? byte ^ 1 : byte));
    await weightsErrorOf(load);
    requests();
    files[FILES[1]] = shards[1]!;
    expect(await load()).toEqual(VALUES);
    expect(requests()).toEqual([INDEX, FILES[1]]);
  });

  it('notices that the folder has changed', async () => {
    await load();
    const changed = encodeSafetensors([float32('a', [2, 2], [9, 2, 3, 4]), first[1]!]);
    const told = description();
    told.files[FILES[0]] = { size: changed.length, sha256: sha256(changed) };
    Object.assign(files, { [INDEX]: indexOf(told), [FILES[0]]: changed });
    requests();
    expect((await load()).get('a')).toEqual(Float32Array.of(9, 2, 3, 4));
    expect(requests()).toEqual([INDEX, FILES[0]]);
  });

  it('is good where the server is gone', async () => {
    await load();
    files = {};
    expect(await load()).toEqual(VALUES);
  });
});
