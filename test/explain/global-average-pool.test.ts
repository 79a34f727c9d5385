/** Networks that end in a global average pooling: CAM, which is for them alone, and every other method. */
import { describe } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import { METHOD_ROWS, METHODS, takesLayer } from '../../src/methods.ts';
import { loadModel, type Model } from '../../src/model.ts';
import type { ExplainOptions, SelectionOptions } from '../../src/options.ts';
import { trace } from '../../src/trace.ts';
import { thorough } from '../harness/adapter.ts';
import { assert, assertClose, assertEqual, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import {
  fileTensors,
  type Layout,
  loadSmallVgg,
  noisyPicture,
  openTensors,
  type SmallVgg,
  sizeOptions,
  smallVgg,
} from '../network/small-vgg.ts';
import { roundToFloat16 } from '../reference/float16.ts';
import { type Tensor, tensor } from '../reference/tensor.ts';
import { assertExplains, referenceOf } from './oracle.ts';

/** 32 maps of 4 × 4 cells. */
const GAP = smallVgg({ name: 'vgg16', head: 'gap', inputSize: 64, channels: 2, seed: 31 });
/** The same in 2 × 2 cells: the oracle takes its time. */
const SMALL_GAP = smallVgg({ name: 'vgg16', head: 'gap', channels: 2, seed: 33 });
/** 16 maps of 2 × 2 cells, the last pooling's. */
const AVG = smallVgg({ name: 'vgg11', head: 'avg', inputSize: 64, channels: 2, seed: 32 });
const POOLED_LAYER = { gap: 'cam_conv', avg: 'block5_pool' } as const;
const PICTURE = noisyPicture(7, 60, 50);
const SMOOTH = { nSamples: 3, stdDev: 0.1, seed: 4 } as const;

const CELLS = { gap: 16, avg: 4 } as const;
const NETWORKS = { gap: GAP, avg: AVG } as const;
const SMALL_NETWORKS = { gap: SMALL_GAP, avg: AVG } as const;
const HEADS = ['gap', 'avg'] as const;

/** w_k^c of each map. */
function weightsOf({ dense, classes }: SmallVgg, classIndex: number): number[] {
  const [{ weights }] = dense as readonly [SmallVgg['dense'][number]];
  return Array.from({ length: weights.data.length / classes }, (_, k) => weights.data[k * classes + classIndex]!);
}

describe('CAM', () => {
  for (const [head, layout] of [
    ['gap', 'torchvision'],
    ['gap', 'keras'],
    ['avg', 'torchvision'],
    ['avg', 'keras'],
  ] as const) {
    gpuTest(`is the oracle’s (${head}, ${layout})`, async (gpu) => {
      const vgg = NETWORKS[head];
      using model = await loadSmallVgg(gpu, vgg, layout);
      for (const options of [
        {},
        { classIndex: 3, filters: [5, 0] },
        { classIndex: 3, contrast: 8 },
        { classIndex: 9, filters: [5, 0, 1], combineFilters: 'sum', subset: [[1, 1]] },
        { ...SMOOTH, classIndex: 4, activations: 'mean' },
      ] satisfies ExplainOptions[]) {
        const result = await assertExplains(model, { vgg, layout, picture: PICTURE }, { method: 'cam', ...options });
        assertEqual(result.options.layerName, POOLED_LAYER[head]);
      }
    });
  }

  for (const head of HEADS) {
    gpuTest(`sums up to the logit (${head})`, async (gpu) => {
      const vgg = NETWORKS[head];
      using model = await loadSmallVgg(gpu, vgg);
      for (const classIndex of [0, 7]) {
        const { signed, logit } = await explain(model, PICTURE, { method: 'cam', classIndex });
        const mean = signed.data.reduce((sum, value) => sum + value, 0) / CELLS[head];
        const scale = Math.max(...signed.data.map(Math.abs));
        assertClose([mean + vgg.dense[0]!.bias.data[classIndex]!], [logit], { tolerance: 1e-5, scale });
      }
    });

    gpuTest(`is HiResCAM and Grad-CAM, but for the number of cells (${head})`, async (gpu) => {
      using model = await loadSmallVgg(gpu, NETWORKS[head], 'keras');
      const call = { layerName: POOLED_LAYER[head], classIndex: 2 };
      const { signed, outcome } = await explain(model, PICTURE, { ...call, method: 'cam' });
      assert(outcome === 'ok' || outcome === 'negative-only', 'there must be something to compare');
      for (const method of ['hires-cam', 'grad-cam'] as const) {
        const other = await explain(model, PICTURE, { ...call, method });
        const scaled = other.signed.data.map((value) => CELLS[head] * value);
        assertClose(scaled, signed.data, { what: method, tolerance: 1e-6 });
      }
    });
  }

  gpuTest('of several classes is that of each', async (gpu) => {
    using model = await loadSmallVgg(gpu, GAP);
    const results = await explain(model, PICTURE, { method: 'cam', classIndex: [8, 1, 5] });
    for (const { classIndex, signed } of results) {
      const alone = await explain(model, PICTURE, { method: 'cam', classIndex });
      assertSameBits(signed.data, alone.signed.data, { what: `class ${classIndex}` });
    }
    assertEqual(
      results.map(({ classIndex }) => classIndex),
      [8, 1, 5],
    );
  });

  gpuTest('has the same bits however its copies come in batches', async (gpu) => {
    using model = await loadSmallVgg(gpu, GAP);
    for (const options of [{ method: 'cam', activations: 'mean' }, { method: 'hires-cam' }] as const) {
      const whole = await explain(model, PICTURE, { ...SMOOTH, ...options });
      const single = await explain(model, PICTURE, { ...SMOOTH, ...options, batch: 1 });
      assertSameBits(single.signed.data, whole.signed.data, { what: options.method });
    }
  });

  gpuTest('makes the maps of other filters and cells without the network', async (gpu) => {
    using model = await loadSmallVgg(gpu, AVG);
    const call = { method: 'cam', classIndex: 6 } as const;
    const result = await explain(model, PICTURE, call);
    for (const selection of [{ filters: [3, 15] }, { subset: [[0, 1]] }] satisfies SelectionOptions[]) {
      const { signed } = await explain(model, PICTURE, { ...call, ...selection });
      assertSameBits((await result.combine(selection)).signed.data, signed.data, { what: JSON.stringify(selection) });
    }
  });

  for (const layout of ['keras', 'torchvision'] as const) {
    gpuTest(`takes its weights from matrices and filters of float16, too (${layout})`, async (gpu) => {
      const round = <Layer extends { readonly weights: Tensor }>(layer: Layer) => {
        const { shape, data } = layer.weights;
        return { ...layer, weights: tensor(shape, data.map(roundToFloat16)) };
      };
      const blocks = AVG.blocks.map((layers) => layers.map(round));
      const vgg: SmallVgg = { ...AVG, blocks, dense: AVG.dense.map(round) };
      using expected = await loadSmallVgg(gpu, vgg, layout);
      using model = await loadRounded(gpu, vgg, layout);
      const maps = [expected, model].map((each) => explain(each, PICTURE, { method: 'cam', classIndex: 1 }));
      const [inFull, inHalf] = await Promise.all(maps);
      assertSameBits(inHalf!.signed.data, inFull!.signed.data);
    });
  }

  gpuTest('is refused elsewhere, with what to take instead', async (gpu) => {
    using plain = await loadSmallVgg(gpu, smallVgg({ name: 'vgg11' }));
    await assertRejects(
      () => explain(plain, PICTURE, { method: 'cam' }),
      OptionError,
      /method: got "cam"; allowed: hires-cam or grad-cam: CAM takes its weights .*global average pooling/,
    );
    assertEqual(
      plain.methods,
      METHODS.filter((name) => name !== 'cam'),
    );
    using model = await loadSmallVgg(gpu, GAP);
    await assertRejects(
      () => explain(model, PICTURE, { method: 'cam', layerName: 'block5_conv3' }),
      OptionError,
      /layerName: got "block5_conv3"; allowed: cam_conv: CAM has weights/,
    );
    assertEqual(model.methods, METHODS);
    const byAlias = await explain(model, PICTURE, { method: 'cam', layerName: 'features.30' });
    assertEqual(byAlias.options.layerName, 'cam_conv');
  });
});

async function loadRounded(gpu: Model['gpu'], vgg: SmallVgg, layout: Layout): Promise<Model> {
  const weights = await openTensors(fileTensors(vgg, layout), layout);
  return loadModel(gpu, 'vgg11-avg', { ...sizeOptions(vgg), weights, precision: 'f16-storage' });
}

describe('a network that ends in a global average pooling', () => {
  for (const [head, layerNames] of [
    ['gap', ['cam_conv', 'block4_conv1', 'block5_conv3']],
    ['avg', ['block5_pool', 'block5_conv2', 'block3_pool']],
  ] as const) {
    gpuTest(`is explained by every method as the oracle does it (${head})`, async (gpu) => {
      const vgg = SMALL_NETWORKS[head];
      using model = await loadSmallVgg(gpu, vgg, 'torchvision');
      const methods = METHODS.filter((method) => method !== 'cam');
      const cases = methods.flatMap((method, m): ExplainOptions[] => {
        if (!takesLayer(METHOD_ROWS[method])) return [{ method, steps: 5, classIndex: 1 }];
        // In turns, so that each method has one layer, and thoroughly all of them.
        const chosen = thorough ? layerNames : [layerNames[m % 3]!];
        return chosen.map((layerName) => ({ method, layerName }));
      });
      const smooth = cases.filter(({ method }) => method === 'smooth-grad-cam++' || method === 'smooth-grad');
      for (const options of [...cases, ...smooth.map((options) => ({ ...SMOOTH, ...options }))]) {
        await assertExplains(model, { vgg, layout: 'torchvision', picture: PICTURE }, options);
      }
    });

    gpuTest(`is explained by every score as the oracle does it (${head})`, async (gpu) => {
      const vgg = SMALL_NETWORKS[head];
      using model = await loadSmallVgg(gpu, vgg, 'torchvision');
      for (const score of ['logit', 'sigmoid', 'softmax', 'log-softmax'] as const) {
        for (const method of ['grad-cam', 'grad-cam++'] as const) {
          const options = { method, score, layerName: layerNames[0], maxDroppedShare: 0, classIndex: 5 };
          await assertExplains(model, { vgg, layout: 'torchvision', picture: PICTURE }, options);
        }
      }
    });

    gpuTest(`is explained at several layers at once, the pooled one on the way (${head})`, async (gpu) => {
      const vgg = SMALL_NETWORKS[head];
      using model = await loadSmallVgg(gpu, vgg);
      const call = { method: 'hires-cam', ...SMOOTH, nSamples: 2, classIndex: [6, 2] } as const;
      for (const { signed, options, classIndex } of await explain(model, PICTURE, { ...call, layerName: layerNames })) {
        const { layerName } = options;
        const reference = { vgg, layout: 'torchvision', picture: PICTURE } as const;
        const expected = referenceOf(reference, { ...call, layerName, classIndex }).signed;
        const what = `${layerName} for ${classIndex}`;
        assertClose(signed.data, expected.data, { what, tolerance: 1e-4, shape: expected.shape });
      }
    });

    gpuTest(`has the same gradient in all cells of a pooled map (${head})`, async (gpu) => {
      const vgg = NETWORKS[head];
      using model = await loadSmallVgg(gpu, vgg);
      const layer = POOLED_LAYER[head];
      using parts = await trace(model, PICTURE, { layers: [layer], classIndex: 4 });
      const gradients = await parts.layers[layer]!.gradients.array();
      const expected = weightsOf(vgg, 4).flatMap((weight) => new Array(CELLS[head]).fill(weight / CELLS[head]));
      assertClose(gradients, expected, { tolerance: 1e-6 });
    });
  }
});
