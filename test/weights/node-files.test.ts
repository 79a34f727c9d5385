import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileCache, nodeStore } from '../../src/node/files.ts';
import { openWeights } from '../../src/weights/source.ts';
import { readAll, serve, weightsErrorOf } from './helpers.ts';
import { encodeSafetensors, float32, modelJson } from './made-files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradcam-weights-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A folder of its own with the given files. */
async function folderOf(name: string, files: Record<string, Uint8Array>): Promise<string> {
  const path = join(folder, name);
  for (const [file, bytes] of Object.entries(files)) {
    await mkdir(join(path, file, '..'), { recursive: true });
    await writeFile(join(path, file), bytes);
  }
  return path;
}

const open = (location: string | URL) => openWeights(location, { store: nodeStore(), cache: false });

const weight = float32('w', [4], [1, 2, 3, 4]);
const safetensors = encodeSafetensors([weight]);
const model = {
  'model.json': modelJson({ paths: ['shards/a.bin'], weights: [{ name: 'w', shape: [4], dtype: 'float32' }] }),
  'shards/a.bin': weight.bytes,
};
const values = new Map([['w', Float32Array.of(1, 2, 3, 4)]]);

describe("Node's store", () => {
  it('reads a file by its path or URL', async () => {
    const path = join(await folderOf('plain file', { 'a b#1.safetensors': safetensors }), 'a b#1.safetensors');
    for (const location of [path, pathToFileURL(path), pathToFileURL(path).href]) {
      const file = await open(location);
      expect(file.origin).toBe(path);
      expect(await readAll(file)).toEqual(values);
    }
  });

  it('finds the model.json of a folder, or its only safetensors file', async () => {
    const layers = await folderOf('layers', {
      ...model,
      'other.safetensors': safetensors,
      'README.md': new Uint8Array(3),
    });
    const tensors = await folderOf('tensors', { 'vgg.safetensors': safetensors, 'config.json': new Uint8Array(2) });
    for (const [path, name] of [
      [layers, 'model.json'],
      [tensors, 'vgg.safetensors'],
    ] as const) {
      for (const location of [path, `${path}/`, pathToFileURL(path)]) {
        const file = await open(location);
        expect(file.origin).toBe(join(path, name));
        expect(await readAll(file)).toEqual(values);
      }
    }
  });

  it('reads URLs too', async () => {
    const server = await serve({ '/model.json': model['model.json'], '/shards/a.bin': weight.bytes });
    expect(await readAll(await open(`${server.url}model.json`))).toEqual(values);
    await server.close();
  });

  it('names what is not there', async () => {
    for (const location of ['nowhere.safetensors', join(folder, 'nowhere')]) {
      const error = await weightsErrorOf(() => open(location));
      expect(error).toMatchObject({ file: location, message: `${location}: no such file` });
    }
    const incomplete = await folderOf('incomplete', { 'model.json': model['model.json'] });
    const error = await weightsErrorOf(async () => readAll(await open(incomplete)));
    expect(error).toMatchObject({ file: join(incomplete, 'shards', 'a.bin'), tensor: 'w' });
    expect(error.message).toMatch(/no such file/);
  });

  it('says what it looked for in a folder', async () => {
    const several = await folderOf('several', { 'a.safetensors': safetensors, 'b.safetensors': safetensors });
    expect((await weightsErrorOf(() => open(several))).message).toBe(
      `${several}: several weights files; expected a model.json, an index of .safetensors files, ` +
        'or one .safetensors file; found a.safetensors, b.safetensors',
    );
    const none = await folderOf('none', { 'notes.txt': new Uint8Array(1) });
    expect(await weightsErrorOf(() => open(none))).toMatchObject({ file: none, found: 'notes.txt' });
    await mkdir(join(folder, 'empty'));
    expect(await weightsErrorOf(() => open(join(folder, 'empty')))).toMatchObject({ found: 'no files' });
  });

  it('says that a shard is a folder', async () => {
    const path = await folderOf('nested', { 'model.json': model['model.json'], 'shards/a.bin/x': new Uint8Array(1) });
    const error = await weightsErrorOf(async () => readAll(await open(path)));
    expect(error).toMatchObject({ tensor: 'w', message: expect.stringMatching(/a.bin: is a folder/) });
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'says that a file may not be read (not as root, nor on Windows)',
    async () => {
      const path = join(await folderOf('locked', { 'a.safetensors': safetensors }), 'a.safetensors');
      await chmod(path, 0);
      expect((await weightsErrorOf(() => open(path))).message).toMatch(/no permission/);
    },
  );

  it('gives the same checksum as the core', async () => {
    const path = await folderOf('sum', model);
    const store = nodeStore();
    const fast = await openWeights(path, { store });
    const slow = await openWeights(path, { store: { ...store, createSha256: undefined } });
    await readAll(fast);
    await readAll(slow);
    expect(fast.checksum()).toMatch(/^sha256-[0-9a-f]{64}$/);
    expect(slow.checksum()).toBe(fast.checksum());
  });
});

describe('the cache of files', () => {
  const bytesOf = async (source: { stream: ReadableStream<Uint8Array> } | undefined) =>
    source &&
    new Uint8Array(await new Response(source.stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());

  it('shows an entry when it is whole, and not before', async () => {
    const path = join(folder, 'cache', 'deep');
    const cache = fileCache(path);
    expect(await cache.get('key')).toBeUndefined();
    const writer = await cache.put('key', 5);
    await writer.write(Uint8Array.of(1, 2));
    await writer.write(Uint8Array.of(3, 4, 5));
    expect(await cache.get('key')).toBeUndefined();
    await writer.commit();
    const entry = await cache.get('key');
    expect(entry?.size).toBe(5);
    expect(await bytesOf(entry)).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
    expect(await cache.get('other')).toBeUndefined();
    await cache.delete('key');
    expect(await cache.get('key')).toBeUndefined();
    await cache.delete('key');
    expect(await readdir(path)).toEqual([]);
  });

  it('can be emptied, but for what is being written', async () => {
    const path = join(folder, 'emptied');
    const cache = fileCache(path);
    await cache.clear();
    for (const key of ['a', 'b']) {
      const writer = await cache.put(key, 1);
      await writer.write(Uint8Array.of(7));
      await writer.commit();
    }
    const writer = await cache.put('c', 1);
    await cache.clear();
    expect([await cache.get('a'), await cache.get('b')]).toEqual([undefined, undefined]);
    await writer.write(Uint8Array.of(8));
    await writer.commit();
    expect(await bytesOf(await cache.get('c'))).toEqual(Uint8Array.of(8));
  });

  it('leaves nothing of an entry that is given up', async () => {
    const path = join(folder, 'given-up');
    const writer = await fileCache(path).put('key', undefined);
    await writer.write(new Uint8Array(100));
    await writer.abort();
    expect(await readdir(path)).toEqual([]);
  });

  it('lets several write and read the same entry at once', async () => {
    const cache = fileCache(join(folder, 'shared'));
    const [one, two] = [await cache.put('key', 4), await cache.put('key', 4)];
    await one.write(Uint8Array.of(1, 1));
    await two.write(Uint8Array.of(2, 2, 2, 2));
    await one.write(Uint8Array.of(1, 1));
    await one.commit();
    const reading = await cache.get('key');
    await two.commit();
    expect(await bytesOf(reading)).toEqual(Uint8Array.of(1, 1, 1, 1));
    expect(await bytesOf(await cache.get('key'))).toEqual(Uint8Array.of(2, 2, 2, 2));
  });

  it('sweeps up what dead processes left, but nothing that may still be written', async () => {
    const path = await folderOf('left', { 'old.partial': new Uint8Array(9), 'new.partial': new Uint8Array(9) });
    await utimes(join(path, 'old.partial'), new Date(), new Date(Date.now() - 25 * 60 * 60 * 1000));
    await (await fileCache(path).put('key', undefined)).abort();
    expect(await readdir(path)).toEqual(['new.partial']);
  });

  it('lives in the folder that GRADCAM_CACHE names', async () => {
    const before = process.env.GRADCAM_CACHE;
    process.env.GRADCAM_CACHE = join(folder, 'named');
    try {
      const writer = await fileCache().put('key', undefined);
      await writer.write(Uint8Array.of(7));
      await writer.commit();
      const [entry] = await readdir(join(folder, 'named', 'weights'));
      expect(new Uint8Array(await readFile(join(folder, 'named', 'weights', entry!)))).toEqual(Uint8Array.of(7));
    } finally {
      if (before === undefined) delete process.env.GRADCAM_CACHE;
      else process.env.GRADCAM_CACHE = before;
    }
  });
});
