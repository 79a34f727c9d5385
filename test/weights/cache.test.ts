import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AbortError } from '../../src/errors.ts';
import { fileCache, nodeStore } from '../../src/node/files.ts';
import { type OpenWeightsOptions, openWeights, type WeightsCache } from '../../src/weights/source.ts';
import { readAll, serve, type TestServer, weightsErrorOf } from './helpers.ts';
import { encodeSafetensors, float32, memoryStore, modelJson } from './made-files.ts';

const weight = float32('w', [4], [1, 2, 3, 4]);
const bias = float32('b', [2], [5, 6]);
const safetensors = encodeSafetensors([weight, bias]);
const manifest = modelJson(
  { paths: ['a.bin'], weights: [{ name: 'w', shape: [4], dtype: 'float32' }] },
  { paths: ['b.bin'], weights: [{ name: 'b', shape: [2], dtype: 'float32' }] },
);
const values = new Map([
  ['w', Float32Array.of(1, 2, 3, 4)],
  ['b', Float32Array.of(5, 6)],
]);

let folder: string;
let files: Record<string, Uint8Array>;
let server: TestServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradcam-cache-'));
  files = { '/model.json': manifest, '/a.bin': weight.bytes, '/b.bin': bias.bytes, '/m.safetensors': safetensors };
  const route = (path: string) => (response: ServerResponse) => {
    if (files[path] === undefined) response.writeHead(503);
    response.end(files[path]);
  };
  server = await serve(Object.fromEntries(Object.keys(files).map((path) => [path, route(path)])));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const load = async (path: string, options: OpenWeightsOptions = {}) => {
  const store = nodeStore();
  const file = await openWeights(server.url + path, { store, cache: fileCache(folder), ...options });
  const read = await readAll(file);
  return { read, checksum: file.checksum()! };
};
/** What was asked of the server since the last call. */
const requests = () => server.requests.splice(0);

describe('a cached download', () => {
  it.each([
    ['model.json', ['/model.json', '/a.bin', '/b.bin']],
    ['m.safetensors', ['/m.safetensors']],
  ])('of %s is fetched once', async (path, fetched) => {
    const first = await load(path);
    expect(first.read).toEqual(values);
    expect(requests()).toEqual(fetched);
    expect(await load(path)).toEqual(first);
    expect(requests()).toEqual([]);
    expect(await readdir(folder)).toHaveLength(fetched.length);
  });

  it('is kept for its URL and its checksum', async () => {
    const { checksum } = await load('m.safetensors');
    await load('m.safetensors', { checksum });
    await load('m.safetensors?v=2');
    expect(requests()).toEqual(['/m.safetensors', '/m.safetensors', '/m.safetensors?v=2']);
    await load('m.safetensors#ignored');
    await load('m.safetensors', { checksum });
    await load('m.safetensors?v=2');
    expect(requests()).toEqual([]);
  });

  it('is not made without a cache', async () => {
    await load('m.safetensors', { cache: false });
    await load('m.safetensors', { cache: false });
    expect(requests()).toHaveLength(2);
  });

  it('may be loaded by several at once', async () => {
    const loads = await Promise.all(Array.from({ length: 5 }, () => load('model.json')));
    for (const { read } of loads) expect(read).toEqual(values);
    expect((await readdir(folder)).length).toBe(3);
    requests();
    expect((await load('model.json')).read).toEqual(values);
    expect(requests()).toEqual([]);
  });

  it('is not kept for files and blobs', async () => {
    const cache = fileCache(folder);
    await readAll(await openWeights('m.safetensors', { store: memoryStore({ 'm.safetensors': safetensors }), cache }));
    const blob = URL.createObjectURL(new Blob([safetensors as Uint8Array<ArrayBuffer>]));
    await readAll(await openWeights(blob, { store: nodeStore(), cache }));
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a download that does not end well', () => {
  it('is not kept when it is left early or stopped', async () => {
    const open = () => openWeights(`${server.url}model.json`, { store: nodeStore(), cache: fileCache(folder) });
    for await (const piece of (await open()).stream()) if (piece.tensor.name === 'w') break;
    const signal = AbortSignal.abort();
    await expect(readAll(await open(), { signal })).rejects.toThrow(AbortError);
    // The model.json was read to its end; of the shards there is at most a whole one.
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
    requests();
    expect((await load('model.json')).read).toEqual(values);
    expect(requests()).toContain('/b.bin');
  });

  it('leaves no half-written file when it is stopped while it waits for bytes', async () => {
    const slow = await serve({
      '/m.safetensors': (response) => response.writeHead(200).write(safetensors.slice(0, -4)),
    });
    const cache = fileCache(folder);
    const file = await openWeights(`${slow.url}m.safetensors`, { store: nodeStore(), cache });
    expect(await readdir(folder)).toHaveLength(1);
    await expect(readAll(file, { signal: AbortSignal.timeout(100) })).rejects.toThrow(AbortError);
    expect(await readdir(folder)).toEqual([]);
    await slow.close();
  });

  it('is forgotten when its content is wrong', async () => {
    const { checksum } = await load('m.safetensors', { cache: false });
    files['/m.safetensors'] = encodeSafetensors([weight, float32('b', [2], [5, 7])]);
    expect((await weightsErrorOf(() => load('m.safetensors', { checksum }))).message).toMatch(/checksum is wrong/);
    files['/m.safetensors'] = safetensors.slice(0, -2);
    expect((await weightsErrorOf(() => load('m.safetensors', { checksum }))).message).toMatch(/truncated/);
    files['/m.safetensors'] = safetensors.slice(0, 20);
    expect((await weightsErrorOf(() => load('m.safetensors', { checksum }))).message).toMatch(/header/);
    expect(await readdir(folder)).toEqual([]);
    files['/m.safetensors'] = safetensors;
    expect((await load('m.safetensors', { checksum })).read).toEqual(values);
  });

  it('is forgotten with all its shards when one is wrong', async () => {
    files['/b.bin'] = bias.bytes.slice(1);
    await weightsErrorOf(() => load('model.json'));
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps the shards that came before one could not be had', async () => {
    const { '/b.bin': shard } = files;
    delete files['/b.bin'];
    expect((await weightsErrorOf(() => load('model.json'))).message).toMatch(/503 Service Unavailable/);
    requests();
    files['/b.bin'] = shard!;
    expect((await load('model.json')).read).toEqual(values);
    expect(requests()).toEqual(['/b.bin']);
  });
});

describe('a cache that fails', () => {
  const fails = async () => {
    throw new Error('disk on fire');
  };

  it.each<[string, (cache: WeightsCache) => Partial<WeightsCache>]>([
    ['to look up', () => ({ get: fails })],
    ['to begin an entry', () => ({ put: fails })],
    ['to write', (cache) => ({ put: async (...of) => ({ ...(await cache.put(...of)), write: fails }) })],
    ['to commit', (cache) => ({ put: async (...of) => ({ ...(await cache.put(...of)), commit: fails }) })],
    [
      'to give up',
      (cache) => ({ put: async (...of) => ({ ...(await cache.put(...of)), write: fails, abort: fails }) }),
    ],
  ])('%s does not fail the load', async (_, broken) => {
    const cache = fileCache(folder);
    for (const path of ['model.json', 'm.safetensors']) {
      expect((await load(path, { cache: { ...cache, ...broken(cache) } })).read).toEqual(values);
    }
  });

  it('while an entry is read goes on with the rest from the server, and forgets the entry', async () => {
    for (const good of [0, 10, 60, safetensors.length]) {
      let sent = 0;
      const stream = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent >= good) return controller.error(new Error('disk on fire'));
          controller.enqueue(safetensors.slice(sent, Math.min(good, sent + 7)));
          sent += 7;
        },
      });
      const deleted: string[] = [];
      const cache: WeightsCache = {
        ...fileCache(folder),
        get: async () => ({ size: undefined, stream }),
        delete: async (key) => void deleted.push(key),
      };
      expect((await load('m.safetensors', { cache })).read).toEqual(values);
      expect(deleted).toEqual([`${server.url}m.safetensors`]);
      expect(requests()).toEqual(['/m.safetensors']);
    }
  });

  it('to forget does not hide what was wrong', async () => {
    files['/m.safetensors'] = safetensors.slice(0, -2);
    const cache: WeightsCache = { ...fileCache(folder), delete: fails };
    expect((await weightsErrorOf(() => load('m.safetensors', { cache }))).message).toMatch(/truncated/);
  });

  it('because its folder cannot be made does not fail the load', async () => {
    await writeFile(join(folder, 'file'), '');
    const cache = fileCache(join(folder, 'file', 'cache'));
    expect((await load('m.safetensors', { cache })).read).toEqual(values);
  });
});
