/**
 * The maps that an independent float64 program made of real photographs on real weights. They are no part of this
 * repository: where ../shared is absent, these tests are skipped and say so.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { explain } from '../../src/explain.ts';
import { loadModel, type Model } from '../../src/model.ts';
import { nodeStore } from '../../src/node/files.ts';
import { parseNpy } from '../../src/node/npy.ts';
import { noise } from '../../src/ops/noise.ts';
import { withErrorScopes } from '../harness/adapter.ts';
import { assertClose, assertEqual } from '../harness/assertions.ts';
import { testGpu } from '../harness/gpu.ts';

const shared = fileURLToPath(new URL('../../../shared', import.meta.url));
const goldenFolder = `${shared}/golden`;
const weightsFolder = `${shared}/models/vgg19-imagenet`;
const absent = [goldenFolder, weightsFolder].filter((folder) => !existsSync(folder));
const skipped = absent.length > 0 ? ' (skipped: ../shared/golden or ../shared/models/vgg19-imagenet is absent)' : '';

/** float64 against float32 with direct convolutions. */
const TOLERANCE = 1e-4;
/** Enough for a busy machine. */
const TIMEOUT_MS = 600_000;

interface GoldenMap {
  readonly file: string;
  readonly pixels: string;
  readonly layer: string;
  readonly classIndex: number;
  readonly classLogit: number;
  readonly method?: 'gradcam';
  readonly samples?: number;
  readonly std?: number;
  readonly seed?: number;
}
interface Golden {
  readonly noise: { readonly seed: number; readonly sample: number; first8: number[]; seed2_37: number[] };
  readonly maps: readonly GoldenMap[];
}

const golden: Golden | undefined = skipped
  ? undefined
  : JSON.parse(await readFile(`${goldenFolder}/index.json`, 'utf8'));

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
        if (isSlow && !isForSlowAdapters(map, golden)) skip('too slow on SwiftShader');
        await withErrorScopes(gpu.device, async () => assertGolden(await loadVgg19(), map));
      },
      TIMEOUT_MS,
    );
  }

  it('noise of the seeds that are known', async () => {
    const { seed, sample, first8, seed2_37 } = golden.noise;
    assertClose(await normals(seed, sample), first8, { tolerance: 2e-6 });
    assertClose(await normals(5 * 2 ** 32 + 7, 2), seed2_37, { tolerance: 2e-6 });
  });
});

function isForSlowAdapters(map: GoldenMap, { maps }: Golden): boolean {
  return map.pixels === maps[0]!.pixels && (map.method === 'gradcam' || map.samples === 5);
}

async function assertGolden(model: Model, map: GoldenMap): Promise<void> {
  const { shape: size, bytes } = parseNpy(await readFile(`${goldenFolder}/${map.pixels}`), map.pixels);
  const [height, width] = size as [number, number];
  const result = await explain(
    model,
    { data: bytes, width, height },
    {
      method: map.method === 'gradcam' ? 'grad-cam' : 'smooth-grad-cam++',
      layerName: map.layer,
      nSamples: map.samples ?? 0,
      stdDev: map.std,
      seed: map.seed,
    },
  );
  const expected = parseNpy(await readFile(`${goldenFolder}/${map.file}`), map.file);
  const values = new Float32Array(new Uint8Array(expected.bytes).buffer);
  assertClose(result.map.data, values, { what: map.file, tolerance: TOLERANCE, shape: expected.shape });
  assertEqual(result.map.shape, [1, ...expected.shape]);
  assertEqual(result.classIndex, map.classIndex, 'class');
  assertEqual(result.outcome, 'ok', 'outcome');
  // Given to five digits behind the point.
  assertClose([result.logit], [map.classLogit], { what: 'logit', tolerance: 1e-5 });
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
