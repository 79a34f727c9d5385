/** Several layers in one call: a result each, or one of their fused maps. */
import { describe, expect } from 'vitest';
import { OptionError, ReleasedError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import { fuseMaps } from '../../src/fusion.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Model } from '../../src/model.ts';
import { type AnyExplainOptions, type ExplainOptions, FUSIONS, type Fusion } from '../../src/options.ts';
import { explainProgressively } from '../../src/progressive.ts';
import { thorough } from '../harness/adapter.ts';
import { assertClose, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';
import { fuse } from '../reference/fusion.ts';
import { mapTolerance, type ReferenceCase, referenceOf } from './oracle.ts';

const VGG = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
const PICTURE = noisyPicture(1, 48, 40);
const REFERENCE: ReferenceCase = { vgg: VGG, layout: 'torchvision', picture: PICTURE };
/** Read by a pool, by a convolution, a pool itself, and read by the last pool; not in the network's order. */
const LAYERS = ['block4_conv2', 'block2_conv1', 'block3_conv1', 'block3_pool', 'block5_conv2'];
const SMOOTH = { nSamples: 3, stdDev: 0.1, seed: 4 } as const;

function modelTest(name: string, work: (model: Model, gpu: Gpu) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model, gpu);
  });
}

describe('several layers in one call', () => {
  // α has poles, close to which rounding errors grow: its layers are two where no cell lies there.
  const cases: (ExplainOptions & { layers?: string[] })[] = [
    { method: 'grad-cam', ...SMOOTH },
    { method: 'layer-cam', score: 'softmax', ...SMOOTH, layers: ['block4_conv2', 'block3_pool'] },
    { method: 'smooth-grad-cam++', score: 'softmax', maxDroppedShare: 0, layers: ['block5_conv2', 'block4_pool'] },
    { method: 'xgrad-cam', ...SMOOTH, sampleWeights: 'score', activations: 'mean', layers: LAYERS.slice(1, 3) },
    { method: 'eigen-cam', layers: LAYERS.slice(2, 4) },
  ];
  for (const { layers = LAYERS, ...options } of thorough ? cases : cases.filter((_, i) => i % 2 === 0)) {
    modelTest(`give the oracle’s map at each: ${JSON.stringify(options)}`, async (model) => {
      const classIndex = [3, 0];
      const results = await explain(model, PICTURE, { ...options, layerName: layers, classIndex });
      const order = classIndex.flatMap((index) => layers.map((layerName) => [index, layerName]));
      expect(results.map((result) => [result.classIndex, result.options.layerName])).toEqual(order);
      for (const { signed, ...result } of results) {
        const { layerName, classIndex: index } = result.options;
        const expected = referenceOf(REFERENCE, { ...options, layerName: layerName!, classIndex: index! });
        expect(signed.shape).toEqual(expected.signed.shape);
        const close = { what: `${layerName} for ${index}`, tolerance: mapTolerance(model), shape: signed.shape };
        assertClose(signed.data, expected.signed.data, close);
        expect(result.alphaZeroCells).toBe(expected.alphaZeroCells);
      }
    });
  }

  modelTest('have the bits of a call of their own, however the samples are split', async (model) => {
    for (const method of ['smooth-grad-cam++', 'layer-cam'] as const) {
      const options = { ...SMOOTH, method };
      const results = await explain(model, PICTURE, { ...options, layerName: LAYERS });
      const split = await explain(model, PICTURE, { ...options, layerName: LAYERS, batch: 2 });
      for (const [i, { map, provenance, classIndex }] of results.entries()) {
        const alone = { ...provenance.options, kernels: provenance.kernels, classIndex };
        assertSameBits(map.data, (await explain(model, PICTURE, alone)).map.data, { what: `${method}, ${LAYERS[i]}` });
        assertSameBits(map.data, split[i]!.map.data, { what: `${method}, ${LAYERS[i]}, in batches` });
      }
    }
  });

  modelTest('each keep their feature maps until they are released', async (model, gpu) => {
    const call = { layerName: LAYERS, classIndex: [1, 2], keep: true, ...SMOOTH } as const;
    for (const result of await explain(model, PICTURE, call)) result.release();
    const before = gpu.memory.currentBytes;
    const results = await explain(model, PICTURE, call);
    for (const result of results) {
      const { filters, combineFilters } = { filters: [2, 5], combineFilters: 'sum' } as const;
      const combined = await result.combine({ filters, combineFilters });
      const { kernels } = result.provenance;
      const options = { ...result.options, filters, combineFilters, kernels } as const;
      assertSameBits(combined.map.data, (await explain(model, PICTURE, options)).map.data);
    }
    for (const result of results) result.release();
    await assertRejects(() => results[3]!.combine(), ReleasedError, /no longer on the GPU/);
    model.recentMaps.releaseAll();
    expect(gpu.memory.currentBytes).toBeLessThanOrEqual(before);
  });

  modelTest('take passes of their own with masked copies and at the input', async (model) => {
    for (const method of ['score-cam', 'ablation-cam', 'guided-grad-cam'] as const) {
      const layerName = ['block5_conv2', 'block4_pool'];
      const seen: number[] = [];
      const totals = new Set<number>();
      const onProgress = ({ done, total }: { done: number; total: number }) => {
        seen.push(done);
        totals.add(total);
      };
      const results = await explain(model, PICTURE, { method, layerName, onProgress });
      expect(results.map(({ options }) => options.layerName)).toEqual(layerName);
      for (const [i, { map, provenance }] of results.entries()) {
        const alone = { method, layerName: layerName[i]!, kernels: provenance.kernels };
        assertSameBits(map.data, (await explain(model, PICTURE, alone)).map.data, {
          what: `${method} ${layerName[i]}`,
        });
      }
      expect([...totals]).toEqual([seen.at(-1)]);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
  });
});

describe('fusion', () => {
  for (const method of ['grad-cam', 'layer-cam'] as const) {
    modelTest(`makes the oracle’s maps: ${method}`, async (model) => {
      const options = { ...SMOOTH, method, classIndex: 3 };
      const maps = LAYERS.map((layerName) => referenceOf(REFERENCE, { ...options, layerName }).map);
      for (const fusion of FUSIONS) {
        const result = await explain(model, PICTURE, { ...options, layerName: LAYERS, fusion });
        const expected = fuse(maps, fusion);
        expect(result.map.shape).toEqual([1, 32, 32]);
        const close = { what: `by ${fusion}`, tolerance: mapTolerance(model), scale: 1, shape: [1, 32, 32] };
        assertClose(result.map.data, expected.data, close);
        // Grad-CAM finds nothing at one of the layers, of which a product is nothing.
        expect(result.outcome).toBe(expected.data.some((value) => value > 0) ? 'ok' : 'empty');
        expect(result.options).toMatchObject({ layerName: LAYERS, fusion, method });
        expect(result.layers.map(({ options: { layerName } }) => layerName)).toEqual(LAYERS);
      }
    });
  }

  modelTest('is a result like another: drawn, boxed, enlarged, made again, and for several classes', async (model) => {
    const call = { method: 'layer-cam', layerName: LAYERS.slice(0, 3), fusion: 'mean', ...SMOOTH } as const;
    const [one, other] = await explain(model, PICTURE, { ...call, classIndex: [3, 1] });
    const again = await explain(model, PICTURE, {
      ...one!.provenance.options,
      kernels: one!.provenance.kernels,
      classIndex: one!.classIndex,
    });
    assertSameBits(again.map.data, one!.map.data);
    expect(again.provenance.map).toEqual(one!.provenance.map);
    expect(other!.provenance.map.checksum).not.toBe(one!.provenance.map.checksum);
    const overlay = await one!.overlay();
    expect([overlay.width, overlay.height]).toEqual([48, 40]);
    expect((await other!.overlay()).data).not.toEqual(overlay.data);
    expect(one!.boxes()[0]!.box).toHaveLength(4);
    expect((await one!.upsample()).shape).toEqual([1, 64, 64]);
    await assertRejects(() => one!.combine(), OptionError, /fusion: got "mean"; allowed: none for combine\(\)/);
    await assertRejects(() => one!.topFilters(1), OptionError, /none for topFilters\(\)/);
    expect(await one!.layers[1]!.topFilters(2)).toHaveLength(2);
    one!.release();
    await assertRejects(() => one!.layers[1]!.topFilters(2), ReleasedError, /no longer on the GPU/);
  });

  gpuTest(
    'of maps that are zero is empty, for the layers’ own reason where they share it, and adds up the passes',
    async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG);
      const layerName = ['block2_conv1', 'block4_conv2'];
      const degenerate = await explain(model, PICTURE, { layerName, fusion: 'max', score: 'logit' });
      expect(degenerate.outcome).toBe('degenerate');
      expect(degenerate.alphaZeroCells).toBe(degenerate.alphaCells);
      expect(degenerate.alphaCells).toBe(degenerate.layers[0]!.alphaCells + degenerate.layers[1]!.alphaCells);
      expect(degenerate.map.data.every((value) => value === 0)).toBe(true);
      expect(degenerate.timings).toEqual(degenerate.layers[0]!.timings);
      const passes = await explain(model, PICTURE, { layerName, fusion: 'max', method: 'ablation-cam' });
      const compute = passes.layers.reduce((sum, { timings }) => sum + timings.compute, 0);
      expect(passes.timings.compute).toBe(compute);
    },
  );

  gpuTest('of maps takes their number and their sizes as they are', async () => {
    const heat = (values: number[], shape: [number, number, number]) => ({ data: Float32Array.from(values), shape });
    const [wide, tall] = [heat([0, 2, 4, 1, 1, 0], [2, 1, 3]), heat([1, 3, 0, 0], [2, 2, 1])];
    expect(fuseMaps([wide, tall], 'max').shape).toEqual([2, 2, 3]);
    expect([...fuseMaps([wide, tall], 'product').data.slice(0, 6)]).toEqual(
      [0, 1 / 6, 1 / 3, 0, 0.5, 1].map(Math.fround),
    );
    // A map of zeros has no maximum to be divided by.
    expect([...fuseMaps([wide, tall], 'mean').data.slice(6)]).toEqual([0.5, 0.5, 0, 0.5, 0.5, 0]);
    expect([...fuseMaps([wide], 'mean').data]).toEqual([0, 0.5, 1, 1, 1, 0]);
    expect(() => fuseMaps([], 'mean')).toThrow(OptionError);
    expect(() => fuseMaps([wide, heat([1], [1, 1, 1])], 'mean')).toThrow(/maps: got \[2,1\]/);
    expect(() => fuseMaps([wide], 'sum' as Fusion)).toThrow(/fusion: got "sum"; allowed: mean, max, product/);
  });
});

describe('calls that mean nothing are refused', () => {
  modelTest('with what is allowed', async (model) => {
    const layerName = ['block4_conv2', 'block5_conv2'];
    for (const [options, message] of [
      [{ layerName: [] }, /layerName: got \[\]; allowed: a layer, or a list of at least one/],
      [{ layerName: ['block4_conv2', 'block9'] }, /layerName: got "block9"; allowed: block1_conv1/],
      [{ layerName: ['block5_conv2', 'features.18'] }, /each layer once; block5_conv2 is there twice/],
      [{ layerName, classIndex: [] }, /classIndex: got \[\]; allowed: a class, or a list/],
      [{ layerName, classIndex: [1, 1] }, /each class once/],
      [{ layerName, fusion: 'sum' }, /fusion: got "sum"; allowed: mean, max, product/],
      [{ layerName: 'block4_conv2', fusion: 'mean' }, /fusion: got "mean"; allowed: nothing for a single layer/],
      [{ fusion: 'mean' }, /nothing for a single layer/],
      [{ layerName, fusion: 'max', method: 'guided-grad-cam' }, /fusion: .*Guided Grad-CAM explains the model's input/],
      [{ layerName, method: 'gradient' }, /layerName: .*Gradient explains the model's input/],
      [{ layerName, fusion: 'max', filters: [1] }, /filters: got \[1\]; allowed: nothing with fusion/],
      [{ layerName, fusion: 'max', subset: [[0, 0]] }, /subset: .*nothing with fusion/],
      [{ layerName, subset: [[5, 0]] }, /subset row: got 5; .*layer block5_conv2 has 32 maps of 4 × 4 cells/],
      [{ layerNames: layerName }, /layerNames: .*layerName/],
    ] as const) {
      await assertRejects(() => explain(model, PICTURE, options as unknown as AnyExplainOptions), OptionError, message);
    }
    const grow = explainProgressively(model, PICTURE, { nSamples: 4, fusion: 'mean' } as ExplainOptions);
    await assertRejects(() => grow.next(), OptionError, /fusion: .*nothing for a single layer/);
  });
});
