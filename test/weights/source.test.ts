import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { AbortError, OptionError } from '../../src/errors.ts';
import { type LoadProgress, openWeights, type WeightsLocation } from '../../src/weights/source.ts';
import { readAll, serve, type TestServer, watchFetch, weightsErrorOf } from './helpers.ts';
import { concat, encodeSafetensors, float32, memoryStore, modelJson, utf8 } from './made-files.ts';

const weight = float32('w', [4], [1, 2, 3, 4]);
const bias = float32('b', [2], [5, 6]);
const safetensors = encodeSafetensors([weight, bias]);
const shards = { 'a.bin': weight.bytes, 'b.bin': bias.bytes };
const manifest = modelJson(
  { paths: ['a.bin'], weights: [{ name: 'w', shape: [4], dtype: 'float32' }] },
  { paths: ['b.bin'], weights: [{ name: 'b', shape: [2], dtype: 'float32' }] },
);
const sha256 = (...parts: Uint8Array[]) => `sha256-${createHash('sha256').update(concat(parts)).digest('hex')}`;

const open = (files: Record<string, Uint8Array>, name: string, options = {}) =>
  openWeights(name, { store: memoryStore(files, { chunkBytes: 16 }), ...options });

describe('a stream', () => {
  it('yields only what is wanted', async () => {
    const file = await open({ 'm.safetensors': safetensors }, 'm.safetensors');
    expect([...(await readAll(file, { wanted: (name) => name === 'b' })).keys()]).toEqual(['b']);
  });

  it('may be made again, from the beginning', async () => {
    for (const [files, name] of [
      [{ 'm.safetensors': safetensors }, 'm.safetensors'],
      [{ 'model.json': manifest, ...shards }, 'model.json'],
    ] as const) {
      const file = await open(files, name);
      const first = await readAll(file);
      expect(first.get('b')).toEqual(Float32Array.of(5, 6));
      expect(await readAll(file)).toEqual(first);
    }
  });

  it('reports progress up to the whole', async () => {
    for (const [files, name, total] of [
      [{ 'm.safetensors': safetensors }, 'm.safetensors', safetensors.length],
      [{ 'model.json': manifest, ...shards }, 'model.json', 24],
    ] as const) {
      const seen: LoadProgress[] = [];
      const file = await open(files, name);
      await readAll(file, { onProgress: (progress) => seen.push(progress) });
      expect(seen.every(({ totalBytes }) => totalBytes === total)).toBe(true);
      expect(seen.map(({ loadedBytes }) => loadedBytes)).toEqual(
        seen.map(({ loadedBytes }) => loadedBytes).sort((a, b) => a - b),
      );
      expect(seen.at(-1)).toEqual({
        loadedBytes: total,
        totalBytes: total,
        file: name === 'model.json' ? 'b.bin' : name,
      });
    }
  });

  it('reports progress also where all came while opening, to the callback of the opening', async () => {
    const seen: LoadProgress[] = [];
    const store = memoryStore({ 'm.safetensors': safetensors });
    const file = await openWeights('m.safetensors', { store, onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([]);
    await readAll(file);
    expect(seen.at(-1)?.loadedBytes).toBe(safetensors.length);
  });

  it('closes the file when it is left early', async () => {
    const store = memoryStore({ 'm.safetensors': safetensors }, { chunkBytes: 16 });
    const file = await openWeights('m.safetensors', { store });
    for await (const piece of file.stream({ pieceElements: 1 })) if (piece.offset === 1) break;
    expect(store.cancelled).toEqual(['m.safetensors']);
    expect(file.checksum()).toBeUndefined();
  });

  it('refuses pieces of no size', async () => {
    for (const pieceElements of [0, -1, 1.5, Number.NaN]) {
      const file = await open({ 'm.safetensors': safetensors }, 'm.safetensors');
      await expect(readAll(file, { pieceElements })).rejects.toThrow(OptionError);
    }
  });
});

describe('a file that is not streamed', () => {
  it('is closed on request', async () => {
    const store = memoryStore({ 'm.safetensors': safetensors }, { chunkBytes: 16 });
    await (await openWeights('m.safetensors', { store })).close();
    expect(store.cancelled).toEqual(['m.safetensors']);
  });

  it('is closed when its header is broken', async () => {
    const store = memoryStore({ 'm.safetensors': new Uint8Array(64).fill(0x20) }, { chunkBytes: 16 });
    await weightsErrorOf(() => openWeights('m.safetensors', { store }));
    expect(store.cancelled).toEqual(['m.safetensors']);
  });
});

describe('the format', () => {
  it('is told by the content where the name does not tell it', async () => {
    expect((await open({ m: safetensors }, 'm')).format).toBe('safetensors');
    expect((await open({ m: manifest }, 'm')).format).toBe('tfjs-layers');
    expect((await open({ m: concat([utf8('\ufeff \n'), manifest]) }, 'm')).format).toBe('tfjs-layers');
    // A header of 123 bytes: its length begins with the code of '{'.
    const header = JSON.stringify({ w: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }).padEnd(0x7b);
    const bytes = concat([Uint8Array.of(0x7b, 0, 0, 0, 0, 0, 0, 0), utf8(header), weight.bytes]);
    expect([...(await readAll(await open({ m: bytes }, 'm'))).keys()]).toEqual(['w']);
  });

  it('of anything else is none', async () => {
    for (const bytes of [utf8('P6 1 1 255'), Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0, 1, 2, 3, 4), new Uint8Array(0)]) {
      expect((await weightsErrorOf(() => open({ m: bytes }, 'm'))).file).toBe('m');
    }
  });
});

describe('the checksum', () => {
  it('is the SHA-256 of the whole safetensors file, or of the shards', async () => {
    for (const [files, name, checksum] of [
      [{ 'm.safetensors': safetensors }, 'm.safetensors', sha256(safetensors)],
      [{ 'model.json': manifest, ...shards }, 'model.json', sha256(weight.bytes, bias.bytes)],
    ] as const) {
      const file = await open(files, name, { checksum });
      expect(file.checksum()).toBeUndefined();
      await readAll(file, { wanted: (tensor) => tensor === 'b' });
      expect(file.checksum()).toBe(checksum);
      await readAll(file);
      expect(file.checksum()).toBe(checksum);
    }
  });

  it('that is wrong fails the stream at its end', async () => {
    const changed = safetensors.slice();
    changed[changed.length - 1]! ^= 1;
    const file = await open({ 'm.safetensors': changed }, 'm.safetensors', { checksum: sha256(safetensors) });
    const error = await weightsErrorOf(() => readAll(file));
    expect(error.message).toMatch(/checksum is wrong/);
    expect(error).toMatchObject({
      file: 'm.safetensors',
      expected: sha256(safetensors),
      found: sha256(changed),
    });
    expect(file.checksum()).toBeUndefined();
  });

  it('that is no checksum is refused at the door', async () => {
    for (const checksum of ['md5-0', `sha256-${'0'.repeat(63)}`, 'A'.repeat(64)]) {
      await expect(open({}, 'm', { checksum })).rejects.toThrow(OptionError);
    }
  });
});

describe('files handed to a page', () => {
  const asFile = (bytes: Uint8Array, path: string) => {
    const file = new File([bytes as Uint8Array<ArrayBuffer>], path.replace(/.*\//, ''));
    if (path.includes('/')) Object.defineProperty(file, 'webkitRelativePath', { value: path });
    return file;
  };
  const named = (prefix: string) => [
    asFile(utf8('{}'), `${prefix}notes.json`),
    asFile(bias.bytes, `${prefix}b.bin`),
    asFile(manifest, `${prefix}model.json`),
    asFile(weight.bytes, `${prefix}a.bin`),
  ];

  it('may be a layers-model with its shards, in a folder or not', async () => {
    for (const prefix of ['', 'dropped/', 'dropped/models/vgg 19 #2/']) {
      const file = await openWeights(named(prefix));
      expect(file.origin).toBe(`${prefix}model.json`);
      expect((await readAll(file)).get('b')).toEqual(Float32Array.of(5, 6));
    }
  });

  it('may name their shards through other folders', async () => {
    const group = { paths: ['./../weights//a.bin'], weights: [{ name: 'w', shape: [4], dtype: 'float32' }] };
    const files = [asFile(modelJson(group), 'top/model/model.json'), asFile(weight.bytes, 'top/weights/a.bin')];
    expect([...(await readAll(await openWeights(files))).keys()]).toEqual(['w']);
  });

  it('may be a safetensors file, alone or among others', async () => {
    const file = asFile(safetensors, 'vgg.safetensors');
    const list: WeightsLocation[] = [
      file,
      [asFile(utf8(''), 'README.md'), file],
      { length: 1, 0: file },
      new Set([file]),
    ];
    for (const files of list) {
      expect((await readAll(await openWeights(files))).get('w')).toEqual(Float32Array.of(1, 2, 3, 4));
    }
  });

  it('that lack a shard are named with it', async () => {
    const files = named('dropped/').filter((file) => file.name !== 'b.bin');
    const error = await weightsErrorOf(async () => readAll(await openWeights(files)));
    expect(error).toMatchObject({ file: 'dropped/b.bin', tensor: 'b' });
    expect(error.message).toMatch(/not among the chosen files/);
  });

  it.each([
    [[], /no weights.*model.json, .*or one .safetensors file; found no files/],
    [['a.txt', 'b.txt'], /no weights.*found a.txt, b.txt/],
    [['a.safetensors', 'b.safetensors', 'c.txt'], /several weights files.*found a.safetensors, b.safetensors$/],
    [['x/model.json', 'y/model.json'], /several weights files.*found x\/model.json, y\/model.json/],
  ])('that are %j are refused', async (names, message) => {
    const files = names.map((name) => asFile(safetensors, name));
    expect((await weightsErrorOf(() => openWeights(files))).message).toMatch(message);
  });
});

describe('a URL', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it('of a safetensors file is read in one request', async () => {
    server = await serve({ '/m.safetensors': safetensors });
    for (const location of [`${server.url}m.safetensors`, new URL('m.safetensors?download=true', server.url)]) {
      const file = await openWeights(location);
      expect(file.origin).toBe(String(location));
      expect((await readAll(file)).get('b')).toEqual(Float32Array.of(5, 6));
    }
    expect(server.requests).toEqual(['/m.safetensors', '/m.safetensors?download=true']);
  });

  it('of a model.json leads to its shards, with the same query', async () => {
    const own = modelJson({ paths: ['../b.bin?v=2'], weights: [{ name: 'b', shape: [2], dtype: 'float32' }] });
    server = await serve({
      '/vgg/model.json': manifest,
      '/vgg/a.bin': weight.bytes,
      '/vgg/b.bin': bias.bytes,
      '/vgg/own.json': own,
      '/b.bin': bias.bytes,
    });
    await readAll(await openWeights(`${server.url}vgg/model.json?key=1`));
    await readAll(await openWeights(`${server.url}vgg/own.json?key=1`));
    expect(server.requests).toEqual([
      '/vgg/model.json?key=1',
      '/vgg/a.bin?key=1',
      '/vgg/b.bin?key=1',
      '/vgg/own.json?key=1',
      '/b.bin?v=2',
    ]);
  });

  it('may be compressed on the way, whatever length the server tells', async () => {
    const { gzipSync } = await import('node:zlib');
    const zipped = gzipSync(safetensors);
    server = await serve({
      '/m.safetensors': (response) =>
        response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': zipped.length }).end(zipped),
    });
    expect((await readAll(await openWeights(`${server.url}m.safetensors`))).size).toBe(2);
  });

  it('may hold the data, or be a blob', async () => {
    const data = `data:application/octet-stream;base64,${Buffer.from(safetensors).toString('base64')}`;
    const file = await openWeights(data);
    expect((await readAll(file)).get('w')).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(file.origin.length).toBeLessThan(80);
    const blob = URL.createObjectURL(new Blob([safetensors as Uint8Array<ArrayBuffer>]));
    expect((await readAll(await openWeights(blob))).get('b')).toEqual(Float32Array.of(5, 6));
    const model = URL.createObjectURL(new Blob([manifest as Uint8Array<ArrayBuffer>]));
    expect((await weightsErrorOf(() => openWeights(model))).message).toMatch(/shard a.bin cannot be found from here/);
  });

  it('that the server does not have names the status, and the shard', async () => {
    server = await serve({ '/model.json': manifest, '/a.bin': weight.bytes });
    const error = await weightsErrorOf(() => openWeights(`${server!.url}m.safetensors`));
    expect(error).toMatchObject({ file: `${server.url}m.safetensors`, tensor: undefined });
    expect(error.message).toMatch(/404 Not Found/);
    const shard = await weightsErrorOf(async () => readAll(await openWeights(`${server!.url}model.json`)));
    expect(shard).toMatchObject({ file: `${server.url}b.bin`, tensor: 'b' });
    expect(shard.message).toMatch(/404 Not Found/);
  });

  it('that answers with a web page says so, by its type or its content', async () => {
    const page = '<!doctype html><html></html>';
    server = await serve({
      '/typed': (response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('sign in'),
      '/untyped': (response) => response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(page),
    });
    for (const path of ['typed', 'untyped']) {
      expect((await weightsErrorOf(() => openWeights(server!.url + path))).message).toMatch(/a web page \(HTML\)/);
    }
  });

  it('whose connection breaks names the tensor that was coming', async () => {
    const watched = watchFetch();
    server = await serve({
      '/m.safetensors': (response) => {
        response.writeHead(200, { 'content-length': safetensors.length });
        watched.cutAfter(response, safetensors.slice(0, -4));
      },
    });
    const load = async () => readAll(await openWeights(`${server!.url}m.safetensors`));
    const error = await weightsErrorOf(load).finally(() => watched.restore());
    expect(error).toMatchObject({ file: `${server.url}m.safetensors`, tensor: 'b' });
  });

  it('that ends early without saying so is truncated', async () => {
    server = await serve({ '/m.safetensors': (response) => response.end(safetensors.slice(0, -4)) });
    const error = await weightsErrorOf(async () => readAll(await openWeights(`${server!.url}m.safetensors`)));
    expect(error).toMatchObject({ tensor: 'b', message: expect.stringMatching(/truncated/) });
  });

  it('that nobody serves says why', async () => {
    server = await serve({});
    const { url } = server;
    await server.close();
    server = undefined;
    const error = await weightsErrorOf(() => openWeights(`${url}m.safetensors`));
    expect(error.message).toMatch(/fetch failed \(.*ECONNREFUSED/);
  });

  it('that is none tells how to read from the disk', async () => {
    const error = await weightsErrorOf(() => openWeights('models/vgg16.safetensors'));
    expect(error.message).toMatch(/models\/vgg16.safetensors: not a URL.*gradcam-webgpu\/node/);
  });
});

describe('aborting', () => {
  let server: TestServer;
  let hungUp: Promise<void>;
  afterEach(() => server.close());

  /** Sends the first bytes of a file of the given length, and then nothing more. */
  const serveSlowly = async (
    path: string,
    bytes: Uint8Array,
    length: number,
    files: Record<string, Uint8Array> = {},
  ) => {
    let resolve: () => void;
    hungUp = new Promise((done) => {
      resolve = done;
    });
    server = await serve({
      ...files,
      [path]: (response) => {
        response.on('close', () => resolve());
        response.writeHead(200, { 'content-length': length }).write(bytes);
      },
    });
  };

  it('before anything asks for nothing', async () => {
    server = await serve({});
    await expect(openWeights(server.url, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
    expect(server.requests).toEqual([]);
  });

  it('stops the opening, and the request', async () => {
    await serveSlowly('/m.safetensors', safetensors.slice(0, 20), safetensors.length);
    const controller = new AbortController();
    const opening = openWeights(`${server.url}m.safetensors`, { signal: controller.signal });
    opening.catch(() => undefined);
    await expect.poll(() => server.requests.length).toBeGreaterThan(0);
    controller.abort();
    await expect(opening).rejects.toThrow(AbortError);
    await hungUp;
  });

  it.each(['the opening', 'the stream'])('stops a stream that waits for bytes, by the signal of %s', async (which) => {
    await serveSlowly('/b.bin', bias.bytes.slice(0, 4), 8, { '/model.json': manifest, '/a.bin': weight.bytes });
    const controller = new AbortController();
    const { signal } = controller;
    const file = await openWeights(`${server.url}model.json`, which === 'the opening' ? { signal } : {});
    const seen: string[] = [];
    const work = (async () => {
      for await (const { tensor } of file.stream(which === 'the stream' ? { signal } : {})) {
        seen.push(tensor.name);
        setTimeout(() => controller.abort(new Error('enough')), 100);
      }
    })();
    const error = await work.catch((reason) => reason);
    expect(error).toBeInstanceOf(AbortError);
    expect(error.cause).toEqual(new Error('enough'));
    expect(seen).toEqual(['w']);
    await hungUp;
    expect(file.checksum()).toBeUndefined();
  });

  it('stops a stream of one request whose header was read before', async () => {
    const header = safetensors.length - 24;
    await serveSlowly('/m.safetensors', safetensors.slice(0, header + 18), safetensors.length);
    const file = await openWeights(`${server.url}m.safetensors`);
    await expect(readAll(file, { signal: AbortSignal.timeout(100) })).rejects.toThrow(AbortError);
    await hungUp;
  });

  it('between two pieces of the same chunk gives no more of them', async () => {
    server = await serve({});
    const controller = new AbortController();
    const store = memoryStore({ 'm.safetensors': safetensors }, { chunkBytes: safetensors.length });
    const file = await openWeights('m.safetensors', { store });
    const seen: string[] = [];
    const work = (async () => {
      for await (const { tensor } of file.stream({ signal: controller.signal })) {
        seen.push(tensor.name);
        controller.abort();
      }
    })();
    await expect(work).rejects.toThrow(AbortError);
    expect(seen).toEqual(['w']);
  });
});
