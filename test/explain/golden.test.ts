/**
 * The maps that an independent float64 program made of real photographs on real weights. They are no part of this
 * repository: where ../shared is absent, these tests are skipped and say so.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { loadModel, type Model } from '../../src/model.ts';
import { nodeStore } from '../../src/node/files.ts';
import { noise } from '../../src/ops/noise.ts';
import { openWeights } from '../../src/weights/source.ts';
import { withErrorScopes } from '../harness/adapter.ts';
import { assert, assertClose, assertEqual } from '../harness/assertions.ts';
import { testGpu } from '../harness/gpu.ts';
import { rankCorrelation } from '../harness/rank-correlation.ts';
import { inFloat32 } from '../weights/in-float32.ts';
import { assertGolden, essentialMaps, explainGolden, GOLDEN_TIMEOUT_MS, type Golden, goldenValues } from './golden.ts';

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
        if (isSlow(gpu) && !essentialMaps(golden).includes(map)) skip('too slow on SwiftShader');
        await withErrorScopes(gpu.device, async () => assertGolden(await loadVgg19(), map, read));
      },
      GOLDEN_TIMEOUT_MS,
    );
  }

  it(
    'in half precision: the class, and the order of the maps’ cells',
    async () => {
      const gpu = await testGpu();
      const maps = isSlow(gpu) ? [golden.maps[0]!] : golden.maps;
      await withErrorScopes(gpu.device, async () => {
        // Of 8 bits in the file, where nothing would be rounded.
        const weights = inFloat32(await openWeights(weightsFolder, { store: nodeStore() }));
        using model = await loadModel(gpu, 'vgg19', { weights, precision: 'f16-storage' });
        for (const map of maps) {
          const { map: found, classIndex } = await explainGolden(model, map, read);
          assertEqual(classIndex, map.classIndex, 'class');
          const { values } = await goldenValues(map, read);
          const correlation = rankCorrelation(found.data, values);
          assert(correlation >= 0.999, `${map.file}: Spearman's rank correlation is ${correlation}`);
        }
      });
    },
    GOLDEN_TIMEOUT_MS,
  );

  it('noise of the seeds that are known', async () => {
    const { seed, sample, first8, seed2_37 } = golden.noise;
    assertClose(await normals(seed, sample), first8, { tolerance: 2e-6 });
    assertClose(await normals(5 * 2 ** 32 + 7, 2), seed2_37, { tolerance: 2e-6 });
  });
});

function isSlow({ adapterInfo }: Gpu): boolean {
  return /swiftshader/i.test(Object.values(adapterInfo).join(' '));
}

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
