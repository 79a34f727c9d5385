/**
 * The maps that an independent float64 program made of real photographs on real weights. They are no part of this
 * repository: where ../shared is absent, these tests are skipped and say so.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { loadModel, type Model } from '../../src/model.ts';
import { nodeStore } from '../../src/node/files.ts';
import { noise } from '../../src/ops/noise.ts';
import { withErrorScopes } from '../harness/adapter.ts';
import { assertClose } from '../harness/assertions.ts';
import { testGpu } from '../harness/gpu.ts';
import { assertGolden, essentialMaps, GOLDEN_TIMEOUT_MS, type Golden } from './golden.ts';

const shared = fileURLToPath(new URL('../../../shared', import.meta.url));
const goldenFolder = `${shared}/golden`;
const weightsFolder = `${shared}/models/vgg19-imagenet`;
const absent = [goldenFolder, weightsFolder].filter((folder) => !existsSync(folder));
const skipped = absent.length > 0 ? ' (skipped: ../shared/golden or ../shared/models/vgg19-imagenet is absent)' : '';

const read = (name: string) => readFile(`${goldenFolder}/${name}`);
const golden: Golden | undefined = skipped ? undefined : JSON.parse(String(await read('index.json')));

describe(`golden maps, on SwiftShader Grad-CAM and n = 5 of the first picture only${skipped}`, () => {
  if (!golden) {
    it.skip('../shared is absent', () => {});
    return;
  }
  let loaded: Promise<Model> | undefined;
  const loadVgg19 = () => {
    loaded ??= testGpu().then((gpu) => loadModel(gpu, 'vgg19', { weights: weightsFolder, store: nodeStore() }));
    return loaded;
  };
  afterAll(async () => (await loaded)?.dispose());

  for (const map of golden.maps) {
    it(
      `${map.file}, class ${map.classIndex}`,
      async ({ skip }) => {
        const gpu = await testGpu();
        const isSlow = /swiftshader/i.test(Object.values(gpu.adapterInfo).join(' '));
        if (isSlow && !essentialMaps(golden).includes(map)) skip('too slow on SwiftShader');
        await withErrorScopes(gpu.device, async () => assertGolden(await loadVgg19(), map, read));
      },
      GOLDEN_TIMEOUT_MS,
    );
  }

  it('noise of the seeds that are known', async () => {
    const { seed, sample, first8, seed2_37 } = golden.noise;
    assertClose(await normals(seed, sample), first8, { tolerance: 2e-6 });
    assertClose(await normals(5 * 2 ** 32 + 7, 2), seed2_37, { tolerance: 2e-6 });
  });
});

/** The first eight standard normals of a sample, as the GPU draws them. */
async function normals(seed: number, sample: number): Promise<Float32Array> {
  const gpu = await testGpu();
  const zeros = gpu.upload('zeros', new Float32Array(8));
  const range = gpu.upload('range', Float32Array.of(0, 0));
  const drawn = gpu.createBuffer('drawn', 4 * 8);
  const rows = { firstSample: sample, noisy: 1, clean: 0 };
  const buffers = { x: { buffer: zeros }, range: { buffer: range }, y: { buffer: drawn } };
  await gpu.run([noise(8, { seed, stdDev: 1, relative: false }, rows, buffers)]);
  const values = await gpu.readFloats({ buffer: drawn, size: 4 * 8 });
  for (const buffer of [zeros, range, drawn]) gpu.pool.destroy(buffer);
  return values;
}
