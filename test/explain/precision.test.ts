/** What weights rounded to float16, and arithmetic in float16, do to the built-in model's maps. See golden.test.ts for VGG-19's. */
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { explain } from '../../src/explain.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { MethodName } from '../../src/methods.ts';
import { loadModel, type Model } from '../../src/model.ts';
import { nodeStore } from '../../src/node/files.ts';
import type { Precision } from '../../src/precision.ts';
import { drawScene } from '../../src/scenes/scene.ts';
import { openWeights } from '../../src/weights/source.ts';
import { withErrorScopes } from '../harness/adapter.ts';
import { assertEqual, assertSameBits } from '../harness/assertions.ts';
import { halfGpu, testGpu } from '../harness/gpu.ts';
import { rankCorrelation } from '../harness/rank-correlation.ts';
import { inFloat32 } from '../weights/in-float32.ts';

const FILE = fileURLToPath(new URL('../../models/vgg16-scenes.safetensors', import.meta.url));
const SCENE = drawScene(4, { instances: 3, secondClass: true });
const CALLS: { method: MethodName; nSamples?: number }[] = [
  { method: 'grad-cam' },
  { method: 'grad-cam++' },
  { method: 'smooth-grad-cam++', nSamples: 4 },
];

/** Its matrices are float16 in the file: a tenth more of each number is none. */
async function load(
  precision: Precision,
  { hasFloat16 = false, gpu: own }: { hasFloat16?: boolean; gpu?: Gpu } = {},
): Promise<Model> {
  const gpu = own ?? (await testGpu());
  const file = await openWeights(FILE, { store: nodeStore() });
  const isChanged = ({ shape }: { shape: readonly number[] }) => shape.length === 2;
  const weights = hasFloat16 ? file : inFloat32(file, { factor: 1.1, isChanged });
  return loadModel(gpu, 'vgg16-scenes', { weights, precision });
}

describe('the built-in model in half precision', () => {
  const models: Model[] = [];
  afterAll(() => {
    for (const model of models) model.dispose();
  });

  it('makes the same maps, as far as ranks tell', async () => {
    await withErrorScopes((await testGpu()).device, async () => {
      models.push(await load('f32'), await load('f16-storage'));
      const [single, half] = models as [Model, Model];
      for (const options of CALLS) {
        const expected = await explain(single, SCENE, options);
        const found = await explain(half, SCENE, options);
        expect(rankCorrelation(found.map.data, expected.map.data)).toBeGreaterThanOrEqual(0.999);
        expect(found.map.data).not.toEqual(expected.map.data);
        assertEqual(found.outcome, 'ok');
        assertEqual(found.classIndex, expected.classIndex);
        assertEqual(found.provenance.weights.precision, 'f16-storage');
        assertEqual(expected.provenance.weights.precision, 'f32');
      }
    });
  });

  // A map of sums, forward and back in float16; and one whose cells stand alone, only back.
  it('makes the same maps with arithmetic in float16', async ({ skip }) => {
    const gpu = await halfGpu();
    if (typeof gpu === 'string') return skip(gpu);
    await withErrorScopes(gpu.device, async () => {
      const [single, half] = [await load('f32', { gpu }), await load('f16', { gpu })];
      models.push(single, half);
      for (const options of [{ method: 'grad-cam++' }, { method: 'layer-cam', layerName: 'block5_conv2' }] as const) {
        const expected = await explain(single, SCENE, options);
        const found = await explain(half, SCENE, options);
        expect(rankCorrelation(found.map.data, expected.map.data)).toBeGreaterThanOrEqual(0.999);
        assertEqual(found.classIndex, expected.classIndex);
        const { kernels, weights } = found.provenance;
        assertEqual(weights.precision, 'f16');
        const forward = options.method === 'grad-cam++' ? /^half-gemm-/ : /^(?!half)/;
        for (const chosen of Object.values(kernels)) {
          expect(chosen.forward).toMatch(forward);
          if (chosen['grad-input']) expect(chosen['grad-input']).toMatch(/^half-gemm-/);
        }
        // Given in place of what the model takes anyway, they make the same map.
        assertSameBits((await explain(half, SCENE, { ...options, kernels })).map.data, found.map.data);
      }
    });
  });

  it('has the same bits from its own file, whose matrices are float16', async () => {
    await withErrorScopes((await testGpu()).device, async () => {
      const [single, half] = [await load('f32', { hasFloat16: true }), await load('f16-storage', { hasFloat16: true })];
      models.push(single, half);
      const call = { method: 'grad-cam++' } as const;
      assertSameBits((await explain(half, SCENE, call)).map.data, (await explain(single, SCENE, call)).map.data);
    });
  });
});
