/** Reading weights in runtimes other than Node: their streams, their files and their Cache API. No assertion library. */
import { describe, it } from 'vitest';
import { browserCache } from '../../src/weights/browser-cache.ts';
import type { WeightsCache } from '../../src/weights/cache.ts';
import { cachingStore } from '../../src/weights/caching-store.ts';
import { checksumOf } from '../../src/weights/sha256.ts';
import { openWeights, type WeightsFile } from '../../src/weights/source.ts';
import { withOpen } from '../../src/weights/store.ts';
import { encodeSafetensors, float32, memoryStore, modelJson, utf8 } from './made-files.ts';

const weight = float32('w', [4], [1, 2, 3, 4]);
const bias = float32('b', [2], [5, 6]);
const safetensors = encodeSafetensors([weight, bias]) as Uint8Array<ArrayBuffer>;
const manifest = modelJson({
  paths: ['a.bin', 'b.bin'],
  weights: [
    { name: 'w', shape: [4], dtype: 'float32' },
    { name: 'b', shape: [2], dtype: 'float32' },
  ],
});
const VALUES = { w: [1, 2, 3, 4], b: [5, 6] };
const SITE = 'https://weights.example/vgg/';

describe('weights', () => {
  it('come from a blob', async () => {
    equal(await valuesOf(await openWeights(URL.createObjectURL(new Blob([safetensors])))), VALUES);
  });

  it('come from chosen files', async () => {
    const files = [
      new File([bias.bytes as BlobPart], 'b.bin'),
      new File([manifest as BlobPart], 'model.json'),
      new File([weight.bytes as BlobPart], 'a.bin'),
    ];
    equal(await valuesOf(await openWeights(files)), VALUES);
  });

  it('are kept in the Cache API by default', async () => {
    const store = memoryStore({
      [`${SITE}model.json`]: manifest,
      [`${SITE}a.bin`]: weight.bytes,
      [`${SITE}b.bin`]: bias.bytes,
    });
    await caches.delete('gradcam-webgpu');
    const checksums = [];
    for (let i = 0; i < 2; i++) {
      const file = await openWeights(`${SITE}model.json`, { store });
      equal(await valuesOf(file), VALUES);
      checksums.push(file.checksum());
    }
    equal(store.opened, [`${SITE}model.json`, `${SITE}a.bin`, `${SITE}b.bin`]);
    equal(checksums[1], checksums[0]);
    await caches.delete('gradcam-webgpu');
  });

  it('in shards are held to their checksums, and kept by them', async () => {
    const sha256 = (await checksumOf(safetensors)).slice('sha256-'.length);
    const gradcam = {
      version: 1,
      files: { 'one.safetensors': { size: safetensors.length, sha256 } },
      tensors: { w: { dtype: 'F32', shape: [4] }, b: { dtype: 'F32', shape: [2] } },
    };
    const index = { metadata: { gradcam }, weight_map: { w: 'one.safetensors', b: 'one.safetensors' } };
    const address = `${SITE}model.safetensors.index.json`;
    const files = { [address]: utf8(JSON.stringify(index)), [`${SITE}one.safetensors`]: safetensors };
    const cache = await emptyCache();
    const store = memoryStore(files);
    for (let i = 0; i < 2; i++) equal(await valuesOf(await openWeights(address, { store, cache })), VALUES);
    equal(store.opened, [address, `${SITE}one.safetensors`, address]);
    const wrong = safetensors.slice();
    wrong[wrong.length - 1]! ^= 1;
    const broken = memoryStore({ ...files, [`${SITE}one.safetensors`]: wrong });
    equal(
      await valuesOf(await openWeights(address, { store: broken, cache: false })).catch((error) => error.found),
      (await checksumOf(wrong)).slice('sha256-'.length),
    );
  });

  it('are forgotten when they are wrong', async () => {
    const cache = await emptyCache();
    const store = memoryStore({ [`${SITE}m.safetensors`]: safetensors.slice(0, -1) }, { sized: false });
    for (let i = 0; i < 2; i++) {
      const file = await openWeights(`${SITE}m.safetensors`, { store, cache });
      equal(await valuesOf(file).catch((error) => error.name), 'WeightsError');
    }
    equal(store.opened.length, 2);
  });

  it('that are large go on where an earlier load was broken off', async () => {
    const cache = await emptyCache();
    const address = `${SITE}large.safetensors`;
    const large = encodeSafetensors([float32('w', [1000], Array(1000).fill(7))]);
    const starts: (number | undefined)[] = [];
    const store = withOpen(
      memoryStore({ [address]: large }, { chunkBytes: 100, sized: false }),
      async (_, { from }) => {
        starts.push(from?.start);
        const rest = { part: large.subarray(from?.start ?? 0) };
        return {
          ...(await memoryStore(rest, { chunkBytes: 100, sized: false }).open('part', {})),
          version: '"1"',
          ...from,
        };
      },
    );
    const load = () => openWeights(address, { store: cachingStore(store, cache, undefined, 512), cache: false });
    // As a page that is closed: nothing is tidied up.
    const left = (await load()).stream({ pieceElements: 100 });
    for (let i = 0; i < 5; i++) await left.next();
    equal((await valuesOf(await load())).w?.length, 1000);
    equal((await valuesOf(await load())).w?.length, 1000);
    equal(starts.length, 2);
    equal((starts[1] ?? 0) % 512, 0);
    equal((starts[1] ?? 0) > 1000, true);
    await left.return();
  });

  it('are not kept when the stream is left early', async () => {
    const cache = await emptyCache();
    const store = memoryStore({ [`${SITE}m.safetensors`]: safetensors }, { chunkBytes: 16 });
    const file = await openWeights(`${SITE}m.safetensors`, { store, cache });
    for await (const _ of file.stream()) break;
    equal(await cache.get(`${SITE}m.safetensors`), undefined);
    equal(await valuesOf(await openWeights(`${SITE}m.safetensors`, { store, cache })), VALUES);
    equal(store.opened.length, 2);
  });
});

describe('the cache of the runtime', () => {
  it('shows an entry when it is whole, and not before', async () => {
    const cache = await emptyCache();
    const writer = await cache.put(`${SITE}x?v=1`, 5);
    await writer.write(Uint8Array.of(1, 2));
    await writer.write(Uint8Array.of(3, 4, 5));
    equal(await cache.get(`${SITE}x?v=1`), undefined);
    await writer.commit();
    const entry = await cache.get(`${SITE}x?v=1`);
    equal(entry?.size, 5);
    equal([...new Uint8Array(await new Response(entry?.stream as BodyInit).arrayBuffer())], [1, 2, 3, 4, 5]);
    equal(await cache.get(`${SITE}x?v=2`), undefined);
    await cache.delete(`${SITE}x?v=1`);
    equal(await cache.get(`${SITE}x?v=1`), undefined);
  });

  it('leaves nothing of an entry that is given up', async () => {
    const cache = await emptyCache();
    const writer = await cache.put(`${SITE}x`, undefined);
    await writer.write(new Uint8Array(100));
    await writer.abort();
    equal(await cache.get(`${SITE}x`), undefined);
  });

  it('that cannot keep an entry fails its write, and does not wait for ever', async () => {
    const cache = await emptyCache();
    const writer = await cache.put('data:,not-http', undefined);
    const attempts = [];
    for (let i = 0; i < 3; i++) attempts.push(await writer.write(new Uint8Array(100)).catch((error) => error.name));
    equal(attempts.at(-1), 'TypeError');
    await writer.abort();
  });

  it('takes more than it buffers', async () => {
    const cache = await emptyCache();
    const bytes = new Uint8Array(1 << 20).fill(7);
    const writer = await cache.put(`${SITE}large`, 16 * bytes.length);
    for (let i = 0; i < 16; i++) await writer.write(bytes);
    await writer.commit();
    const entry = await cache.get(`${SITE}large`);
    equal((await new Response(entry?.stream as BodyInit).arrayBuffer()).byteLength, 16 * bytes.length);
  });
});

async function emptyCache(): Promise<WeightsCache> {
  await caches.delete('gradcam-webgpu-test');
  return browserCache('gradcam-webgpu-test')!;
}

async function valuesOf(file: WeightsFile): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for await (const piece of file.stream({ pieceElements: 3 })) {
    values[piece.tensor.name] = [...(values[piece.tensor.name] ?? []), ...piece.values];
  }
  return values;
}

function equal(actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`expected ${should}, got ${is}`);
}
