/** Downloads that break off, and go on where they did: within a load, and in the next one, by what was kept. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AbortError } from '../../src/errors.ts';
import { fileCache, nodeStore } from '../../src/node/files.ts';
import { cachingStore } from '../../src/weights/caching-store.ts';
import { openWeights } from '../../src/weights/source.ts';
import { withOpen } from '../../src/weights/store.ts';
import { resumingStore } from '../../src/weights/unbroken.ts';
import { readAll, serve, type TestServer, watchFetch, weightsErrorOf } from './helpers.ts';
import { encodeSafetensors, float32 } from './made-files.ts';

const LENGTH = 50_000;
const safetensorsOf = (first: number) =>
  encodeSafetensors([
    float32(
      'w',
      [LENGTH],
      Array.from({ length: LENGTH }, (_, i) => first + i),
    ),
  ]);
const FIRST = safetensorsOf(0);
const OTHER = safetensorsOf(1);
const OLD = new Date('2020-02-02T02:02:02Z').toUTCString();
const checksumOf = (bytes: Uint8Array) => `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

/** What the server has, and how well it behaves. */
interface Behaviour {
  bytes: Uint8Array;
  headers: Record<string, string>;
  takesRanges: boolean;
  hidesSize?: boolean;
  /** Bytes of a body after which the connection is cut; one for each answer, the last for all that follow. */
  cuts: (number | undefined)[];
  /** Changes the headers of a partial answer. */
  lie?: (headers: Record<string, string | number>, start: number) => void;
}

let site: Behaviour;
let asked: IncomingHttpHeaders[];
let server: TestServer;
let watched: ReturnType<typeof watchFetch>;

beforeEach(async () => {
  site = { bytes: FIRST, headers: { etag: '"first"' }, takesRanges: true, cuts: [undefined] };
  asked = [];
  watched = watchFetch();
  server = await serve({ '/m.safetensors': answer });
});
afterEach(() => {
  watched.restore();
  return server.close();
});

function answer(response: ServerResponse, { headers: request }: IncomingMessage): void {
  asked.push(request);
  const start = Number(/^bytes=(\d+)-$/.exec(request.range ?? '')?.[1] ?? 0);
  const condition = request['if-range'];
  const isSame = condition === undefined || Object.values(site.headers).some((version) => version === condition);
  const isPart = start > 0 && site.takesRanges && isSame;
  const size = site.bytes.length;
  if (isPart && start >= size) return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
  const body = isPart ? site.bytes.subarray(start) : site.bytes;
  const headers: Record<string, string | number> = { 'content-length': body.length, ...site.headers };
  if (isPart) headers['content-range'] = `bytes ${start}-${size - 1}/${size}`;
  if (site.hidesSize) delete headers['content-length'];
  if (isPart) site.lie?.(headers, start);
  response.writeHead(isPart ? 206 : 200, headers);
  const cut = site.cuts.length > 1 ? site.cuts.shift() : site.cuts[0];
  if (cut === undefined) response.end(body);
  else watched.cutAfter(response, body.subarray(0, cut));
}

/** Where each request began. */
const starts = () => asked.splice(0).map(({ range }) => (range === undefined ? 0 : Number(/\d+/.exec(range))));

/** With other waits than openWeights() has, which sees files that never break, or do for good. */
const resuming = (waitsMs: readonly number[]) => {
  const store = resumingStore(nodeStore(), waitsMs);
  return withOpen(store, async (...file) => {
    const { size, stream } = await store.open(...file);
    return { size, stream };
  });
};
const patient = () => resuming([0, 0]);
const load = async (store = patient(), checksum?: string) =>
  readAll(await openWeights(`${server.url}m.safetensors`, { store, cache: false, checksum }));
const isFirst = (read: Map<string, Float32Array>) => expect(read.get('w')!.at(-1)).toBe(LENGTH - 1);
const isOther = (read: Map<string, Float32Array>) => expect(read.get('w')!.at(-1)).toBe(LENGTH);

describe('a connection that breaks', () => {
  it('is made again, from there on, as long as more comes', async () => {
    site.cuts = [60_000, 40_000, 1000, 30_000, undefined];
    const read = await load(patient(), checksumOf(FIRST));
    expect(read.get('w')).toEqual(Float32Array.from({ length: LENGTH }, (_, i) => i));
    expect(asked.slice(1).map((headers) => headers['if-range'])).toEqual(Array(4).fill('"first"'));
    const from = starts();
    expect(from).toHaveLength(5);
    expect(from.toSorted((a, b) => a - b)).toEqual(from);
    expect(from.at(-1)).toBeGreaterThan(60_000);
  });

  it('is made again by openWeights() alone', async () => {
    site.cuts = [60_000, undefined];
    isFirst(await readAll(await openWeights(`${server.url}m.safetensors`, { cache: false })));
    expect(starts()).toHaveLength(2);
  });

  it('is made again where the server knows the time of the last change', async () => {
    site = { ...site, headers: { 'last-modified': OLD }, cuts: [60_000, undefined] };
    isFirst(await load());
    expect(asked[1]!['if-range']).toBe(OLD);
  });

  it('is made again from the beginning where the server takes no ranges', async () => {
    site = { ...site, takesRanges: false, cuts: [60_000, undefined] };
    isFirst(await load(patient(), checksumOf(FIRST)));
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['no version', {}],
    ['a weak one', { etag: 'W/"first"' }],
    [
      'the time of a change that may not have been the last',
      { 'last-modified': new Date(Date.now() + 5e3).toUTCString() },
    ],
  ])('ends the reading of a file with %s', async (_, headers) => {
    site = { ...site, headers, cuts: [60_000, undefined] };
    const error = await weightsErrorOf(() => load());
    expect(error).toMatchObject({ tensor: 'w', isTransfer: true });
    const said = /broke off after \d+ of 200\d+ bytes; another try begins anew, .* no ETag or Last-Modified/;
    expect(error.message).toMatch(said);
    expect(starts()).toEqual([0]);
  });

  it('ends the reading when nothing more comes', async () => {
    site.cuts = [60_000, 0];
    const error = await weightsErrorOf(() => load());
    expect(error.message).toMatch(/m\.safetensors: the connection broke off after \d+ of 200\d+ bytes, and again/);
    expect(error).toMatchObject({ tensor: 'w', isTransfer: true });
    expect(asked).toHaveLength(3);
  });

  it('is not made again after a stop', async () => {
    site.cuts = [60_000, 0];
    const store = resuming([60_000]);
    const file = await openWeights(`${server.url}m.safetensors`, { store, cache: false });
    await expect(readAll(file, { signal: AbortSignal.timeout(200) })).rejects.toThrow(AbortError);
    expect(asked).toHaveLength(1);
  });
});

describe('what came before a break', () => {
  const change = () => {
    site = { ...site, bytes: OTHER, headers: { etag: '"other"' } };
  };

  it.each([true, false])('is not joined to another file (ranges: %s)', async (takesRanges) => {
    site = { ...site, takesRanges, cuts: [60_000, undefined] };
    const file = await openWeights(`${server.url}m.safetensors`, { store: patient(), cache: false });
    change();
    expect((await weightsErrorOf(() => readAll(file))).message).toMatch(/changed at its address while it was read/);
    isOther(await load());
  });

  it.each<[string, NonNullable<Behaviour['lie']>]>([
    ['of another version', (headers) => Object.assign(headers, { etag: '"other"' })],
    ['from elsewhere', (headers, start) => Object.assign(headers, { 'content-range': `bytes ${start + 1}-9/200072` })],
    ['of a larger file', (headers) => Object.assign(headers, { 'content-range': 'bytes 60000-70000/900000' })],
    ['that does not say where it is from', (headers) => delete headers['content-range']],
    ['that is compressed', (headers) => Object.assign(headers, { 'content-encoding': 'gzip' })],
  ])('is not joined to a part %s', async (_, lie) => {
    site = { ...site, cuts: [60_000, undefined], lie };
    isFirst(await load(patient(), checksumOf(FIRST)));
    // The whole is asked for instead.
    expect(starts()).toEqual([0, expect.any(Number), 0]);
  });

  it('is not joined to a part of what was compressed', async () => {
    site = { ...site, bytes: gzipSync(FIRST), cuts: [60_000, undefined] };
    site.headers = { etag: '"zipped"', 'content-encoding': 'gzip' };
    isFirst(await load(patient(), checksumOf(FIRST)));
    expect(starts()).toEqual([0, expect.any(Number), 0]);
  });
});

describe('of a large download', () => {
  const PART_BYTES = 16_384;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gradcam-parts-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Without any wait: a connection that breaks ends the load. */
  const keeping = (checksum?: string) =>
    cachingStore(resumingStore(nodeStore(), []), fileCache(folder), checksum, PART_BYTES);
  const loadKept = (checksum?: string) => load(keeping(checksum), checksum);

  it('what has come is kept, and the next load goes on from there', async () => {
    site.cuts = [60_000];
    await weightsErrorOf(() => loadKept());
    expect(starts()).toEqual([0]);
    site.cuts = [100_000];
    await weightsErrorOf(() => loadKept());
    site.cuts = [undefined];
    isFirst(await loadKept());
    const from = starts();
    expect(from).toHaveLength(2);
    for (const start of from) expect(start % PART_BYTES).toBe(0);
    expect(from[0]).toBeGreaterThan(0);
    expect(from[1]).toBeGreaterThan(from[0]!);
    isFirst(await loadKept(undefined));
    expect(asked).toEqual([]);
    // Parts, the last of them not full, and the record of them.
    expect(await readdir(folder)).toHaveLength(Math.ceil(FIRST.length / PART_BYTES) + 1);
  });

  it('goes on with one request more where a connection breaks on the way', async () => {
    site.cuts = [60_000, 50_000, undefined];
    isFirst(await load(cachingStore(resumingStore(nodeStore(), [0]), fileCache(folder), undefined, PART_BYTES)));
    expect(starts()).toHaveLength(3);
    isFirst(await loadKept());
    expect(asked).toEqual([]);
  });

  it.each([true, false])('what has come is not joined to another file (ranges: %s)', async (takesRanges) => {
    site.cuts = [100_000];
    await weightsErrorOf(() => loadKept());
    site = { ...site, bytes: OTHER, headers: { etag: '"other"' }, takesRanges, cuts: [undefined] };
    isOther(await loadKept());
    expect(starts()).toEqual([0, expect.any(Number)]);
    isOther(await loadKept());
    expect(asked).toEqual([]);
    expect(await readdir(folder)).toHaveLength(Math.ceil(OTHER.length / PART_BYTES) + 1);
  });

  it('what has come is fetched again where the server takes no ranges', async () => {
    site = { ...site, takesRanges: false, cuts: [100_000] };
    await weightsErrorOf(() => loadKept());
    site.cuts = [undefined];
    isFirst(await loadKept());
    isFirst(await loadKept());
    expect(starts()).toEqual([0, expect.any(Number)]);
  });

  it('a server that has less by now is asked for all of it', async () => {
    site.cuts = [100_000];
    await weightsErrorOf(() => loadKept());
    site = { ...site, bytes: encodeSafetensors([float32('w', [2], [7, LENGTH])]), cuts: [undefined] };
    isOther(await loadKept());
    expect(starts()).toEqual([0, expect.any(Number), 0]);
  });

  it('a part that is gone, or not whole, is fetched with what follows it', async () => {
    isFirst(await loadKept());
    const entries = await Promise.all(
      (await readdir(folder)).map(async (name) => ({ path: join(folder, name), ...(await stat(join(folder, name))) })),
    );
    const parts = entries.filter(({ size }) => size === PART_BYTES);
    await truncate(parts[3]!.path, 100);
    isFirst(await loadKept(checksumOf(FIRST)));
  });

  it('nothing stays of what is forgotten', async () => {
    const checksum = checksumOf(OTHER);
    const store = keeping(checksum);
    const error = await weightsErrorOf(() => load(store, checksum));
    expect(error).toMatchObject({ message: expect.stringMatching(/checksum is wrong/), isTransfer: false });
    expect(await readdir(folder)).not.toEqual([]);
    await store.evict();
    expect(await readdir(folder)).toEqual([]);
  });

  it('what has come stays after a stop, and nothing half-written does', async () => {
    const file = await openWeights(`${server.url}m.safetensors`, { store: keeping(), cache: false });
    for await (const piece of file.stream({ pieceElements: 1000 })) if (piece.offset > 20_000) break;
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
    starts();
    isFirst(await loadKept());
    expect(starts()[0]).toBeGreaterThanOrEqual(4 * PART_BYTES);
  });

  it('of which the server tells no size is kept just as well', async () => {
    site = { ...site, hidesSize: true, cuts: [100_000] };
    await weightsErrorOf(() => loadKept());
    site.cuts = [undefined];
    isFirst(await loadKept());
    expect(starts()[1]).toBeGreaterThan(0);
    isFirst(await loadKept());
    expect(asked).toEqual([]);
  });

  it('a full disk ends the keeping, not the load', async () => {
    let room = 3;
    const cache = fileCache(folder);
    const full = {
      ...cache,
      put: (...entry: Parameters<typeof cache.put>) =>
        room-- > 0 ? cache.put(...entry) : Promise.reject(new Error('full')),
    };
    isFirst(await load(cachingStore(patient(), full, undefined, PART_BYTES)));
    isFirst(await loadKept());
  });
});
