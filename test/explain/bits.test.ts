/** The same bits however the samples are split. Imports nothing of Node: it serves every runtime. */
import { describe } from 'vitest';
import { explain } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { METHOD_ROWS, METHODS, takesPath } from '../../src/methods.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { testAdapter, thorough, withErrorScopes } from '../harness/adapter.ts';
import { assertEqual, assertSameBits } from '../harness/assertions.ts';
import { asForced, gpuTest, TEST_GPU, testGpu } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const VGG = smallVgg({ name: 'vgg16', inputSize: 64, channels: 5 });
const PICTURE = noisyPicture(7, 64);
const SMOOTH = { nSamples: 4, stdDev: 0.2, seed: 9 } as const;
/** With these, the fully connected layers are computed for 1, 2, 4 and 8 rows at a time. */
const BATCHES = [1, 2, 3, undefined];

const ALL_CASES: ExplainOptions[] = [
  { ...SMOOTH, layerName: 'block1_conv1' },
  { ...SMOOTH, layerName: 'block3_pool' },
  { ...SMOOTH, layerName: 'block5_conv3' },
  { ...SMOOTH, layerName: 'block4_conv2', sampleWeights: 'score' },
  { ...SMOOTH, layerName: 'block4_conv2', activations: 'mean', alphaNumerator: 'first' },
  { ...SMOOTH, layerName: 'block4_conv2', method: 'grad-cam', filters: [0, 5] },
  { ...SMOOTH, layerName: 'block3_conv1', method: 'layer-cam' },
  { ...SMOOTH, layerName: 'block5_conv1', method: 'xgrad-cam' },
  { ...SMOOTH, layerName: 'block2_pool', method: 'hires-cam' },
  { layerName: 'block3_conv2', method: 'eigen-cam' },
  { ...SMOOTH, method: 'smooth-grad' },
  { method: 'integrated-gradients', steps: 4 },
  { ...SMOOTH, method: 'guided-grad-cam', layerName: 'block4_conv3' },
  { ...SMOOTH, method: 'guided-backprop' },
  { ...SMOOTH, method: 'deconvnet' },
  { ...SMOOTH, method: 'gradient-x-input', sampleWeights: 'score' },
  { ...SMOOTH, layerName: 'block4_conv3', method: 'eigen-cam', activations: 'mean' },
  { layerName: 'block4_pool', method: 'ablation-cam' },
  { layerName: 'block5_conv3', method: 'score-cam' },
];

/** Layouts differ in the matrices of the fully connected layers alone, which every way forward and back passes. */
function casesOf(layout: 'keras' | 'torchvision'): ExplainOptions[] {
  const step = layout === 'torchvision' ? (thorough ? 1 : 2) : thorough ? 4 : 8;
  return ALL_CASES.filter((_, i) => i % step === 0);
}

function assertSame(result: Explanation, expected: Explanation, what: string): void {
  assertSameBits(result.signed.data, expected.signed.data, { what, shape: expected.signed.shape });
  assertSameBits(result.map.data, expected.map.data, { what, shape: expected.map.shape });
  assertEqual(result.predictions, expected.predictions, `${what}: predictions`);
  assertEqual(result.completeness, expected.completeness, `${what}: completeness`);
  assertEqual(result.alphaZeroCells, expected.alphaZeroCells, `${what}: α cells set to zero`);
}

describe('an explanation has the same bits', () => {
  gpuTest('by every method, one by one, two by two and all at once', async (gpu) => {
    const vgg = smallVgg({ name: 'vgg16', head: 'gap', channels: 2, seed: 21 });
    using model = await loadSmallVgg(gpu, vgg);
    assertEqual(model.methods.toSorted(), METHODS.toSorted(), 'methods of a network with a global average pooling');
    for (const method of METHODS) {
      const row = METHOD_ROWS[method];
      const takesNoise = row.needsGradient && !takesPath(row);
      const options = { method, ...(takesNoise ? { ...SMOOTH, nSamples: 5 } : { steps: 5 }), classIndex: 3 };
      const whole = await explain(model, PICTURE, options);
      for (const batch of [1, 2]) {
        assertSame(await explain(model, PICTURE, { ...options, batch }), whole, `${method} in batches of ${batch}`);
      }
    }
  });

  for (const layout of ['keras', 'torchvision'] as const) {
    const cases = casesOf(layout);

    gpuTest(`in batches of any size, and when made again (${layout})`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG, layout);
      for (const options of cases) {
        const whole = await explain(model, PICTURE, options);
        for (const batch of BATCHES) {
          const what = `${options.layerName} in batches of ${batch}`;
          assertSame(await explain(model, PICTURE, { ...options, batch }), whole, what);
        }
      }
    });

    gpuTest(`for a class among several as for it alone (${layout})`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG, layout);
      const classes = [4, 0, 9];
      for (const options of cases) {
        const together = await explain(model, PICTURE, { ...options, classIndex: classes, batch: 3 });
        assertEqual(
          together.map(({ classIndex }) => classIndex),
          classes,
        );
        for (const [i, classIndex] of classes.entries()) {
          const alone = await explain(model, PICTURE, { ...options, classIndex });
          assertSame(together[i]!, alone, `${options.layerName}, class ${classIndex}`);
        }
      }
    });

    gpuTest(`on a device without optional features (${layout})`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG, layout);
      const adapter = await testAdapter();
      const device = await adapter.requestDevice();
      const bare = asForced(Gpu.fromDevice(device, adapter.info, TEST_GPU));
      using bareModel = await loadSmallVgg(bare, VGG, layout);
      await withErrorScopes(device, async () => {
        for (const options of cases) {
          const expected = await explain(model, PICTURE, options);
          assertSame(await explain(bareModel, PICTURE, options), expected, `${options.layerName}, no features`);
        }
      });
      bare.dispose();
      device.destroy();
    });

    gpuTest(`under WebGPU's default limits (${layout})`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG, layout);
      using defaultModel = await loadSmallVgg(await testGpu('default'), VGG, layout);
      for (const options of cases) {
        const expected = await explain(model, PICTURE, options);
        assertSame(await explain(defaultModel, PICTURE, options), expected, `${options.layerName}, default limits`);
      }
    });

    gpuTest(`with a fully connected layer in slices (${layout})`, async (gpu) => {
      // 720 inputs and 640 units: both exceed the 512 rows of the matrix that are summed together.
      const wide = smallVgg({ name: 'vgg11', channels: 10, inputSize: 96 });
      using model = await loadSmallVgg(gpu, wide, layout);
      assertEqual(model.parameters.dense('fc1').matrix.slices.length, 1);
      const adapter = await testAdapter();
      const device = await adapter.requestDevice();
      const tight = asForced(Gpu.fromDevice(device, adapter.info, TEST_GPU));
      // Believed, where the device itself has 128 MiB at least.
      const limit = 512 * 720 * 4;
      Object.defineProperty(tight, 'limits', { value: { maxBufferSize: limit, maxStorageBufferBindingSize: limit } });
      using sliced = await loadSmallVgg(tight, wide, layout);
      assertEqual(sliced.parameters.dense('fc1').matrix.slices.length, 2);
      await withErrorScopes(device, async () => {
        for (const options of [
          { ...SMOOTH, nSamples: 3, layerName: 'block5_conv2' },
          { method: 'grad-cam' },
        ] as const) {
          const found = await explain(sliced, PICTURE, options);
          // Convolutions with the same kernels: not all that are fast fit so low a limit.
          const { kernels } = found.provenance;
          assertSame(found, await explain(model, PICTURE, { ...options, kernels }), 'fc1 in slices');
        }
      });
      tight.dispose();
      device.destroy();
    });
  }
});
