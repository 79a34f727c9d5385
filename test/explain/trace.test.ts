/** Feature maps, gradients and moments of any layers, as buffers and as arrays. */
import { describe, expect } from 'vitest';
import { AbortError, OptionError, ReleasedError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Model } from '../../src/model.ts';
import { type TraceOptions, trace } from '../../src/trace.ts';
import { assertClose, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, referenceInput, referenceNetwork, smallVgg } from '../network/small-vgg.ts';
import { explain as explainByOracle } from '../reference/explain.ts';
import { moments } from '../reference/moments.ts';
import { mapTolerance } from './oracle.ts';

const VGG = smallVgg({ name: 'vgg11' });
const PICTURE = noisyPicture(5, 32);
const LAYERS = ['block4_conv2', 'block2_conv1', 'block2_pool'];
const SMOOTH = { nSamples: 4, stdDev: 0.1, seed: 3, classIndex: 2 } as const;

function modelTest(name: string, work: (model: Model, gpu: Gpu) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model, gpu);
  });
}

describe('trace', () => {
  for (const [title, options] of [
    ['the clean picture', {}],
    ['noisy copies', SMOOTH],
    ['noisy copies one by one', { ...SMOOTH, batch: 1 }],
    ['noisy copies with their mean feature maps', { ...SMOOTH, activations: 'mean' }],
  ] as const satisfies [string, TraceOptions][]) {
    modelTest(`gives what the oracle has at several layers: ${title}`, async (model) => {
      using traced = await trace(model, PICTURE, { ...options, layers: LAYERS });
      expect(Object.keys(traced.layers)).toEqual(LAYERS);
      const input = referenceInput(VGG, 'torchvision', PICTURE);
      for (const layerName of LAYERS) {
        const { batch: _, ...asked }: TraceOptions = options;
        const expected = explainByOracle(referenceNetwork(VGG), input, { ...asked, method: 'hires-cam', layerName });
        expect(traced.classIndex).toBe(expected.classIndex);
        expect(traced.logit).toBeCloseTo(expected.logits.data[expected.classIndex]!, 4);
        const layer = traced.layers[layerName]!;
        expect(layer.name).toBe(layerName);
        expect(layer.shape).toEqual(expected.activations.shape);
        const { shape } = layer;
        const uniform = new Array<number>(expected.gradients.shape[0]!).fill(1);
        const { first, second, third } = moments(expected.gradients, uniform);
        for (const [what, found, values] of [
          ['activations', layer.activations, expected.activations],
          ['gradients', layer.gradients, first],
          ['second moments', layer.secondMoments, second],
          ['third moments', layer.thirdMoments, third],
        ] as const) {
          expect(found.shape).toEqual(shape);
          const close = { what: `${what} of ${layerName}`, tolerance: mapTolerance(model), shape };
          assertClose(await found.array(), values.data, close);
        }
      }
    });
  }

  modelTest('gives what explain() makes its maps of, samples weighted by score', async (model) => {
    const options = { ...SMOOTH, sampleWeights: 'score' } as const;
    using traced = await trace(model, PICTURE, { ...options, layers: ['block3_conv1'] });
    const { activations, gradients, shape } = traced.layers.block3_conv1!;
    const [maps, height, width] = shape;
    const [a, d1] = [await activations.array(), await gradients.array()];
    const map = new Float64Array(height * width);
    a.forEach((value, i) => {
      map[i % map.length]! += value * d1[i]!;
    });
    const expected = await explain(model, PICTURE, { ...options, method: 'hires-cam', layerName: 'block3_conv1' });
    assertClose(expected.signed.data, map, { shape: [height, width], terms: maps });
    expect(traced.predictions).toEqual(expected.predictions);
  });

  modelTest('takes the gradient of the difference to another class', async (model) => {
    const options = { layers: LAYERS, ...SMOOTH } as const;
    using contrasted = await trace(model, PICTURE, { ...options, contrast: 5 });
    using one = await trace(model, PICTURE, options);
    using other = await trace(model, PICTURE, { ...options, classIndex: 5 });
    for (const name of LAYERS) {
      const [found, a, b] = await Promise.all(
        [contrasted, one, other].map(({ layers }) => layers[name]!.gradients.array()),
      );
      const expected = a!.map((value, i) => value - b![i]!);
      assertClose(found!, expected, { what: name, tolerance: 2e-6 });
    }
  });

  modelTest('gives labelled buffers that kernels and copies take', async (model, gpu) => {
    using traced = await trace(model, PICTURE, { layers: ['features.3'] });
    const { block2_conv1: layer } = traced.layers;
    const tensors = [layer!.activations, layer!.gradients, layer!.secondMoments, layer!.thirdMoments];
    expect(tensors.map(({ buffer }) => buffer.label)).toEqual([
      'block2_conv1 activations',
      'block2_conv1 gradients',
      'block2_conv1 second moments',
      'block2_conv1 third moments',
    ]);
    for (const { buffer, bytes } of tensors) {
      expect(bytes).toBe(4 * 8 * 16 * 16);
      expect(buffer.size).toBeGreaterThanOrEqual(bytes);
      expect(buffer.usage & 0x80 /* GPUBufferUsage.STORAGE */).not.toBe(0);
    }
    const { activations } = layer!;
    const copy = gpu.createBuffer('copy', activations.bytes);
    const commands = gpu.device.createCommandEncoder();
    commands.copyBufferToBuffer(activations.buffer, 0, copy, 0, activations.bytes);
    gpu.device.queue.submit([commands.finish()]);
    const copied = await gpu.readFloats({ buffer: copy, size: activations.bytes });
    assertSameBits(copied, await activations.array());
    gpu.pool.destroy(copy);
  });

  modelTest('takes the last convolution by default', async (model) => {
    const { layers, release } = await trace(model, PICTURE);
    expect(Object.keys(layers)).toEqual(['block5_conv2']);
    release();
  });

  modelTest('takes its buffers back on release, more than once', async (model, gpu) => {
    const traced = await trace(model, PICTURE, { layers: LAYERS });
    const before = gpu.memory.currentBytes;
    const { activations } = traced.layers.block2_pool!;
    traced.release();
    traced.release();
    const bytes = Object.values(traced.layers).reduce((sum, { shape: [k, h, w] }) => sum + 4 * 4 * k * h * w, 0);
    expect(gpu.memory.currentBytes).toBe(before - bytes);
    await assertRejects(() => activations.array(), ReleasedError, /'block2_pool activations' is no longer on the GPU/);
  });

  modelTest('keeps nothing on the GPU when it is stopped, however often', async (model, gpu) => {
    const stopped = async () => {
      const controller = new AbortController();
      const onProgress = ({ done, total }: { done: number; total: number }) => {
        expect(total).toBe(SMOOTH.nSamples + 1);
        if (done === 2) controller.abort();
      };
      const call = { ...SMOOTH, batch: 1, layers: LAYERS, signal: controller.signal, onProgress };
      await assertRejects(() => trace(model, PICTURE, call), AbortError, /AbortSignal/);
    };
    // Two rounds, after which the pool has forgotten what none of them needs.
    for (let i = 0; i < 3; i++) await stopped();
    const steady = gpu.memory.currentBytes;
    for (let i = 0; i < 3; i++) await stopped();
    expect(gpu.memory.currentBytes).toBe(steady);
  });

  modelTest('refuses what it cannot do', async (model) => {
    for (const [options, message] of [
      [{ layers: [] }, /layers: got \[\]; allowed: a list of at least one layer/],
      [{ layers: ['block9_conv1'] }, /layerName: got "block9_conv1"; allowed: block1_conv1, /],
      [{ layers: ['block2_conv1', 'features.3'] }, /block2_conv1 is there twice/],
      [{ method: 'grad-cam' }, /method: got "grad-cam"; .*trace\(\) takes layers/],
      [{ classIndex: 10 }, /classIndex: got 10/],
    ] as const) {
      await assertRejects(() => trace(model, PICTURE, options as TraceOptions), OptionError, message);
    }
  });
});
