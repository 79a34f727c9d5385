/** What an explanation is besides its numbers: outcomes, stopping, memory, several at once, and a device that goes away. */
import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { classify } from '../../src/classify.ts';
import { methodOf } from '../../src/custom-method.ts';
import {
  AbortError,
  DeviceLostError,
  DisposedError,
  ImageError,
  OptionError,
  OverflowError,
} from '../../src/errors.ts';
import { explain, gradCamPlusSmooth } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { kernelLabel } from '../../src/gpu/kernel.ts';
import type { OverlayOptions } from '../../src/image/overlay.ts';
import { METHOD_ROWS, METHODS, needsPooledLayer, takesLayer, takesPath } from '../../src/methods.ts';
import type { Model } from '../../src/model.ts';
import { DEFAULT_OPTIONS, type ExplainOptions, type ExplainProgress, type KernelChoices } from '../../src/options.ts';
import { VERSION } from '../../src/version.ts';
import { testAdapter, withErrorScopes } from '../harness/adapter.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { asForced, gpuTest, TEST_GPU, testGpu } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, type SmallVgg, sizeOptions, smallVgg } from '../network/small-vgg.ts';
import { tensor } from '../reference/tensor.ts';
import { assertExplains, keepsZeros } from './oracle.ts';

const VGG = smallVgg({ name: 'vgg11' });
const PICTURE = noisyPicture(1, 48, 40);
const SMOOTH = { nSamples: 5, stdDev: 0.2, seed: 2 } as const;
/** Those for any network. */
const VGG_METHODS = METHODS.filter((method) => !needsPooledLayer(METHOD_ROWS[method]));
/** A method without a gradient sees noise in the feature maps only. */
const NOISY_METHODS = VGG_METHODS.filter((method) => !METHOD_ROWS[method].masks && !takesPath(METHOD_ROWS[method])).map(
  (method): ExplainOptions => ({
    method,
    nSamples: 3,
    activations: METHOD_ROWS[method].needsGradient ? 'clean' : 'mean',
  }),
);
const INPUT_METHODS = METHODS.filter((method) => METHOD_ROWS[method].place === 'input');
/** A deconvnet does not ask whether a unit was active: what comes through a dead layer is no matter to it. */
const STOPPED_BY_DEAD_LAYERS = ({ method }: ExplainOptions) => method !== 'deconvnet';
const EVERY_METHOD = [...VGG_METHODS.map((method): ExplainOptions => ({ method })), ...NOISY_METHODS];

/** The options, at a layer where the method has one. */
function at(layerName: string, options: ExplainOptions): ExplainOptions {
  return takesLayer(methodOf(options.method ?? DEFAULT_OPTIONS.method)) ? { layerName, ...options } : options;
}

/** A test with the small VGG on the shared Gpu. */
function modelTest(name: string, work: (model: Model, gpu: Gpu) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model, gpu);
  });
}

function assertFinite(result: Explanation): void {
  for (const values of [result.map.data, result.signed.data]) expect(values.every(Number.isFinite)).toBe(true);
  for (const { logit, probability } of result.predictions) {
    expect(Number.isFinite(logit)).toBe(true);
    expect(probability).toBeGreaterThanOrEqual(0);
    expect(probability).toBeLessThanOrEqual(1);
  }
  const positive = result.map.data.some((value) => value > 0);
  expect(result.outcome === 'ok').toBe(positive);
}

describe('predictions', () => {
  modelTest('are those of classify()', async (model) => {
    const { predictions } = await explain(model, PICTURE, SMOOTH);
    expect(predictions).toHaveLength(5);
    expect(await classify(model, PICTURE)).toEqual(predictions);
    expect(predictions.map(({ label }) => label)).toEqual(predictions.map(() => undefined));
    const all = await classify(model, PICTURE, { topK: 1000 });
    expect(all).toHaveLength(10);
    expect(all.slice(0, 5)).toEqual(predictions);
    expect(all.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
  });

  modelTest('choose the class to explain unless the caller does', async (model) => {
    const chosen = await explain(model, PICTURE);
    expect(chosen.classIndex).toBe(chosen.predictions[0]!.classIndex);
    expect(chosen.logit).toBe(chosen.predictions[0]!.logit);
    const worst = (await classify(model, PICTURE, { topK: 10 }))[9]!;
    const told = await explain(model, PICTURE, { classIndex: worst.classIndex });
    expect(told.classIndex).toBe(worst.classIndex);
    expect(told.logit).toBe(worst.logit);
    expect(told.predictions).toEqual(chosen.predictions);
    const same = await explain(model, PICTURE, { classIndex: chosen.classIndex });
    assertSameBits(same.map.data, chosen.map.data);
  });

  modelTest('see the picture as the fit brings it', async (model) => {
    const logit = async (fit: 'squash' | 'crop' | 'pad') => (await classify(model, PICTURE, { fit }))[0]!.logit;
    expect(new Set([await logit('squash'), await logit('crop'), await logit('pad')]).size).toBe(3);
    const { predictions } = await explain(model, PICTURE, { fit: 'crop' });
    expect(predictions).toEqual(await classify(model, PICTURE, { fit: 'crop' }));
  });
});

describe('gradCamPlusSmooth', () => {
  modelTest('is Smooth Grad-CAM++ with the paper’s parameters', async (model) => {
    const options = { ...SMOOTH, layerName: 'block4_conv1', filters: [1, 2] };
    const result = await gradCamPlusSmooth(model, PICTURE, options);
    const expected = await explain(model, PICTURE, { ...options, method: 'smooth-grad-cam++' });
    assertSameBits(result.map.data, expected.map.data);
    expect(result.options).toEqual(expected.options);
    expect(result.options.method).toBe('smooth-grad-cam++');
  });
});

describe('a result', () => {
  modelTest('says how to make it again', async (model) => {
    const given: ExplainOptions = { ...SMOOTH, layerName: 'features.18', sampleWeights: 'score', topK: 2 };
    const result = await explain(model, PICTURE, given);
    expect(result.options).toMatchObject({ ...given, layerName: 'block5_conv2', method: 'smooth-grad-cam++' });
    const { provenance } = JSON.parse(JSON.stringify(result));
    expect(provenance).toMatchObject({
      library: `gradcam-webgpu ${VERSION}`,
      model: 'vgg11',
      weights: { origin: 'vgg.safetensors', format: 'safetensors', checksum: model.weights.checksum },
      variant: sizeOptions(VGG),
      picture: { width: 48, height: 40, checksum: `sha256-${createHash('sha256').update(PICTURE.data).digest('hex')}` },
      classIndex: result.classIndex,
      adapter: { ...model.gpu.adapterInfo },
      device: {
        limits: { maxStorageBufferBindingSize: model.gpu.limits.maxStorageBufferBindingSize },
        traits: { ...model.gpu.traits },
      },
      map: { shape: [1, 2, 2], checksum: `sha256-${createHash('sha256').update(result.map.data).digest('hex')}` },
    });
    const again = await explain(model, PICTURE, { ...provenance.options, classIndex: provenance.classIndex });
    assertSameBits(again.map.data, result.map.data);
  });

  modelTest('is made again by its kernels, whatever this device would choose', async (model) => {
    const options = { ...SMOOTH, layerName: 'block3_conv1' };
    const result = await explain(model, PICTURE, options);
    const { kernels } = result.provenance;
    expect(kernels.block1_conv1).toEqual({ forward: expect.any(String) });
    expect(kernels.block5_conv2).toEqual({ forward: expect.any(String), 'grad-input': expect.any(String) });
    const others: KernelChoices = Object.fromEntries(
      Object.entries(kernels).map(([name, { forward }]) => [
        name,
        { ...kernels[name], forward: forward?.startsWith('winograd') ? 'direct' : 'winograd-2' },
      ]),
    );
    const different = await explain(model, PICTURE, { ...options, kernels: others });
    expect(different.provenance.kernels).toEqual(others);
    expect(different.provenance.map.checksum).not.toBe(result.provenance.map.checksum);
    const largest = Math.max(...result.map.data);
    const differences = different.map.data.map((value, i) => Math.abs(value - result.map.data[i]!));
    expect(Math.max(...differences)).toBeLessThan(1e-3 * largest);
    assertSameBits((await explain(model, PICTURE, { ...options, kernels })).map.data, result.map.data);
  });

  modelTest('knows a picture by its pixels, with or without alpha', async (model) => {
    const { width, height } = PICTURE;
    const opaque = PICTURE.data.map((value, i) => (i % 4 === 3 ? 255 : value));
    const colours = opaque.filter((_, i) => i % 4 !== 3);
    const checksumOf = async (data: Uint8Array) =>
      (await explain(model, { data, width, height })).provenance.picture.checksum;
    expect(await checksumOf(colours)).toBe(await checksumOf(opaque));
    expect(await checksumOf(opaque.with(0, opaque[0]! ^ 1))).not.toBe(await checksumOf(opaque));
  });

  modelTest('tells the time of its stages', async (model) => {
    const { timings } = await explain(model, PICTURE, SMOOTH);
    const { prepare, compute, read, total } = timings;
    for (const ms of [prepare, compute, read]) expect(ms).toBeGreaterThanOrEqual(0);
    expect(compute).toBeGreaterThan(0);
    expect(prepare + compute + read).toBeLessThanOrEqual(total + 1e-6);
  });
});

describe('a method without a gradient', () => {
  modelTest('runs no backward pass, and gives every class the same map', async (model, gpu) => {
    const kernels: string[] = [];
    const run = vi.spyOn(gpu, 'run').mockImplementation((dispatches, ...rest) => {
      kernels.push(...dispatches.map(({ kernel }) => kernelLabel(kernel)));
      return Gpu.prototype.run.call(gpu, dispatches, ...rest);
    });
    const options = { method: 'eigen-cam', layerName: 'block2_conv1' } as const;
    const alone = await explain(model, PICTURE, { ...options, classIndex: 1 });
    const results = await explain(model, PICTURE, { ...options, classIndex: [1, 2] });
    run.mockRestore();
    expect(kernels).toContain('map');
    expect(kernels.filter((label) => /one-hot|\.grad-input|moments|FLIPPED/.test(label))).toEqual([]);
    for (const { map } of results) assertSameBits(map.data, alone.map.data);
    expect(results.map(({ classIndex }) => classIndex)).toEqual([1, 2]);
  });
});

describe('a method with masked copies', () => {
  const options = { method: 'score-cam', layerName: 'block3_conv1' } as const;

  modelTest('that lack the map itself begins behind the layer', async (model, gpu) => {
    const kernels: string[] = [];
    const run = vi.spyOn(gpu, 'run').mockImplementation((dispatches, ...rest) => {
      kernels.push(...dispatches.map(({ kernel }) => kernelLabel(kernel)));
      return Gpu.prototype.run.call(gpu, dispatches, ...rest);
    });
    await explain(model, PICTURE, { method: 'ablation-cam', layerName: 'block5_conv2', batch: 16 });
    run.mockRestore();
    // Of the kernels that take several stages, the last, and not those that bring weights into another form.
    const stages = /^conv2d\.(transpose-weights|winograd-(filters|input|products))/;
    const convolutions = kernels.filter((label) => label.startsWith('conv2d') && !stages.test(label));
    expect(kernels.filter((label) => label === 'ablate')).toHaveLength(2);
    // Those of the clean picture alone.
    expect(convolutions).toHaveLength(8);
  });

  modelTest('takes a pass for each map, counts them, and gives each class its own map', async (model) => {
    const seen: ExplainProgress[] = [];
    const results = await explain(model, PICTURE, {
      ...options,
      classIndex: [1, 2],
      batch: 3,
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.map(({ done }) => done)).toEqual([1, 3, 6, 9, 11, 14, 17]);
    expect(seen.every(({ total }) => total === 17)).toBe(true);
    for (const { options: inForce, classIndex, outcome, signed } of results) {
      expect(inForce.nSamples).toBe(0);
      expect(outcome).toBe('ok');
      assertSameBits((await explain(model, PICTURE, { ...options, classIndex })).signed.data, signed.data);
    }
    expect(results[0]!.map.data).not.toEqual(results[1]!.map.data);
  });

  modelTest('stops between two batches', async (model) => {
    const stop = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ done }: ExplainProgress) => {
      seen.push(done);
      if (done >= 4) stop.abort();
    };
    await assertRejects(
      () => explain(model, PICTURE, { ...options, batch: 4, signal: stop.signal, onProgress }),
      AbortError,
      /AbortSignal/,
    );
    expect(Math.max(...seen)).toBeLessThan(9);
  });
});

describe('outcome', () => {
  /** The small VGG with its last layers changed, so that the gradient of class 0 is of one sign. */
  const withClass0 = (sign: (weight: number) => number): SmallVgg => ({
    ...VGG,
    dense: VGG.dense.map((layer) => ({
      ...layer,
      weights: tensor(
        layer.weights.shape,
        layer.weights.data.map((weight, i) =>
          layer.name === 'predictions' && i % VGG.classes === 0 ? sign(Math.abs(weight)) : Math.abs(weight),
        ),
      ),
    })),
  });
  const layerName = 'block5_conv2';
  const explained = (vgg: SmallVgg, options: ExplainOptions) => async (gpu: Gpu) => {
    using model = await loadSmallVgg(gpu, vgg);
    const reference = { vgg, layout: 'torchvision', picture: PICTURE } as const;
    const result = await assertExplains(model, reference, { classIndex: 0, ...at(layerName, options) });
    assertFinite(result);
    return result;
  };

  gpuTest('is ok where something speaks for the class', async (gpu) => {
    for (const method of VGG_METHODS) {
      expect(
        (
          await explained(
            withClass0((w) => w),
            { method },
          )(gpu)
        ).outcome,
      ).toBe('ok');
    }
  });

  gpuTest('is negative-only where all speaks against it', async (gpu) => {
    for (const method of ['grad-cam', 'hires-cam', 'xgrad-cam', 'ablation-cam'] as const) {
      const result = await explained(
        withClass0((w) => -w),
        { method },
      )(gpu);
      expect(result.outcome).toBe('negative-only');
      expect(result.map.data.every((value) => value === 0)).toBe(true);
      expect(Math.min(...result.signed.data)).toBeLessThan(0);
    }
  });

  gpuTest('is ok where all speaks against it and the class does not matter', async (gpu) => {
    const result = await explained(
      withClass0((w) => -w),
      { method: 'eigen-cam' },
    )(gpu);
    expect(result.outcome).toBe('ok');
    assertSameBits(result.signed.data, result.map.data);
  });

  gpuTest('is empty where all speaks against it and only positive gradients count', async (gpu) => {
    const result = await explained(
      withClass0((w) => -w),
      { method: 'layer-cam' },
    )(gpu);
    expect(result.outcome).toBe('empty');
    expect(result.signed.data.every((value) => value === 0)).toBe(true);
  });

  gpuTest('is negative-only where all that the input adds is against the class', async (gpu) => {
    // Weights of one sign from a black picture on: every value of a brighter picture lowers the score.
    const against = withClass0((w) => -w);
    const blocks = against.blocks.map((block) =>
      block.map((layer) => ({ ...layer, weights: tensor(layer.weights.shape, layer.weights.data.map(Math.abs)) })),
    );
    const result = await explained({ ...against, blocks }, { method: 'integrated-gradients', steps: 5 })(gpu);
    if (!keepsZeros({ gpu })) return;
    expect(result.outcome).toBe('negative-only');
    expect(result.map.data.every((value) => value === 0)).toBe(true);
  });

  gpuTest('is degenerate where no α has a positive denominator', async (gpu) => {
    // G g < −2 in every map: 2 g² + G g³ is negative where there is a gradient, and 0 where there is none.
    const alive = smallVgg({ name: 'vgg11', shift: (layer) => (layer === layerName ? 100 : 0) });
    const against = { ...withClass0((w) => -100 * w), blocks: alive.blocks };
    const result = await explained(against, { method: 'grad-cam++' })(gpu);
    expect(result.outcome).toBe('degenerate');
    expect(result.alphaZeroCells).toBe(result.alphaCells);
  });

  gpuTest('is empty where α is finite and nothing is positive', async (gpu) => {
    const result = await explained(
      withClass0((w) => -1e-6 * w),
      { method: 'grad-cam++' },
    )(gpu);
    expect(result.outcome).toBe('empty');
    expect(result.alphaZeroCells).toBeLessThan(result.alphaCells);
  });

  gpuTest('is empty for a dead layer, whatever its gradient', async (gpu) => {
    const dead = smallVgg({ name: 'vgg11', shift: (layer) => (layer === layerName ? -1e6 : 0) });
    for (const options of EVERY_METHOD.filter(STOPPED_BY_DEAD_LAYERS)) {
      const result = await explained(dead, options)(gpu);
      expect(result.outcome).toBe('empty');
      expect(result.signed.data.every((value) => value === 0)).toBe(true);
    }
  });

  gpuTest('is empty or degenerate where a layer behind it is dead', async (gpu) => {
    const dead = smallVgg({ name: 'vgg11', shift: (layer) => (layer === 'fc1' ? -1e6 : 0) });
    const atInput = INPUT_METHODS.filter((method) => STOPPED_BY_DEAD_LAYERS({ method }));
    for (const method of ['grad-cam', 'hires-cam', 'xgrad-cam', 'layer-cam', ...atInput] as const) {
      expect((await explained(dead, { method })(gpu)).outcome).toBe('empty');
      const nSamples = takesPath(METHOD_ROWS[method]) ? 0 : 3;
      expect((await explained(dead, { method, nSamples })(gpu)).outcome).toBe('empty');
    }
    expect((await explained(dead, { method: 'grad-cam++' })(gpu)).outcome).toBe('degenerate');
    expect((await explained(dead, { nSamples: 3 })(gpu)).outcome).toBe('degenerate');
    expect((await explained(dead, { method: 'deconvnet' })(gpu)).outcome).toBe('ok');
  });
});

describe('integrated gradients', () => {
  modelTest('add up to what the score gains, the better the more steps there are', async (model) => {
    for (const baseline of ['black', 'mean'] as const) {
      const gaps: number[] = [];
      for (const steps of [4, 32, 256]) {
        const options = { method: 'integrated-gradients', baseline, steps, classIndex: 1 } as const;
        const { completeness, signed, options: inForce } = await explain(model, PICTURE, options);
        const { attributed, gained, gap } = completeness!;
        expect(attributed).toBeCloseTo(
          signed.data.reduce((a, b) => a + b, 0),
          4,
        );
        expect(gap).toBe(attributed - gained);
        expect(inForce).toMatchObject({ steps, baseline, nSamples: 0 });
        gaps.push(Math.abs(gap / gained));
      }
      expect(gaps[2]).toBeLessThan(0.03);
      expect(gaps[2]).toBeLessThan(gaps[0]!);
    }
  });

  for (const layout of ['keras', 'torchvision'] as const) {
    gpuTest(`are zero for a picture that is the baseline (${layout})`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG, layout);
      const black = { data: new Uint8Array(3 * 45 * 20), width: 45, height: 20 };
      const result = await explain(model, black, { method: 'integrated-gradients', steps: 3 });
      expect(result.outcome).toBe('empty');
      expect(result.completeness).toEqual({ attributed: 0, gained: 0, gap: 0 });
    });
  }

  modelTest('report points as progress, and no completeness for others', async (model) => {
    const seen: ExplainProgress[] = [];
    const onProgress = (progress: ExplainProgress) => seen.push(progress);
    await explain(model, PICTURE, { method: 'integrated-gradients', steps: 6, batch: 3, onProgress });
    expect(seen.at(-1)).toEqual({ done: 8, total: 8 });
    expect((await explain(model, PICTURE, { method: 'gradient' })).completeness).toBeUndefined();
  });
});

describe('a result is never NaN', () => {
  modelTest('for pictures of one colour', async (model) => {
    for (const value of [0, 127, 255]) {
      const picture = { data: new Uint8Array(4 * 20 * 20).fill(value), width: 20, height: 20 };
      for (const options of EVERY_METHOD) {
        for (const layerName of ['block1_conv1', 'block5_conv2']) {
          assertFinite(await explain(model, picture, at(layerName, options)));
        }
      }
    }
  });

  gpuTest('for weights so small that float32 underflows', async (gpu) => {
    for (const scale of [1e-8, 1e-4, 1e-2]) {
      using model = await loadSmallVgg(gpu, smallVgg({ scale: () => scale }), 'keras');
      for (const options of EVERY_METHOD) {
        for (const layerName of ['block1_conv1', 'block3_conv3', 'block5_conv3']) {
          assertFinite(await explain(model, PICTURE, at(layerName, options)));
        }
      }
    }
  });

  gpuTest('for weights so large that float32 overflows: that is an error', async (gpu) => {
    using model = await loadSmallVgg(gpu, smallVgg({ scale: () => 1e30 }), 'keras');
    await assertRejects(() => explain(model, PICTURE), OverflowError, /the logits of vgg16 came out as/);
    await assertRejects(() => classify(model, PICTURE), OverflowError, /float32 overflows/);
  });

  modelTest('for noise so large that float32 overflows: that is an error', async (model) => {
    for (const stdDev of [1e38, 1e300]) {
      for (const noiseScale of ['absolute', 'relative'] as const) {
        for (const batch of [1, undefined]) {
          const options = { stdDev, noiseScale, batch };
          for (const method of NOISY_METHODS) {
            await assertRejects(
              () => explain(model, PICTURE, { ...method, ...options }),
              OverflowError,
              /a noisy copy are not finite: with stdDev 1e\+\d+ \((absolute|relative)\).*Lower stdDev/,
            );
          }
          await assertRejects(
            () => explain(model, PICTURE, { ...options, nSamples: 2, sampleWeights: 'score', activations: 'mean' }),
            OverflowError,
            /Lower stdDev/,
          );
        }
      }
    }
  });

  modelTest('for noise of any size: a map is right, or it is an error', async (model) => {
    const maps = new Map<number, Float32Array>();
    const exponents = [60, 80, 100, 110, 116, 120, 122, 124, 125, 126, 127];
    for (const exponent of exponents) {
      const noise = { nSamples: 2, noiseScale: 'absolute', stdDev: 2 ** exponent } as const;
      const result = await explain(model, PICTURE, { ...noise, method: 'grad-cam', layerName: 'block2_conv1' }).catch(
        (error) => error,
      );
      if (result instanceof OverflowError) continue;
      assertFinite(result);
      maps.set(exponent, result.signed.data);
    }
    // Next to such noise picture and biases round away, and a ReLU network's gradient does not see its input's scale.
    for (const [exponent, map] of maps) assertSameBits(map, maps.get(60)!, { what: `map at 2^${exponent}` });
    expect(maps.size).toBeGreaterThan(3);
    expect(maps.size).toBeLessThan(exponents.length);
  });
});

describe('a wrong call', () => {
  modelTest('fails at the door', async (model) => {
    for (const [options, message] of [
      [{ layerName: 'block6_conv1' }, /layerName: got "block6_conv1"; allowed: block1_conv1, block1_pool/],
      [{ layerName: 'fc1' }, /layerName: got "fc1"/],
      [{ classIndex: 10 }, /classIndex: got 10; allowed: a whole number from 0 to 9/],
      [{ nSamples: -1 }, /nSamples: got -1/],
      [{ stdDev: Number.NaN }, /stdDev: got NaN/],
      // biome-ignore format: a box to a line
      [{ region: true, subset: [[0, 0], [2, 0]] }, /subset row: got 2; .*block5_conv2 has 32 maps of 2 × 2 cells/],
      [
        { method: 'gradient', layerName: 'block5_conv2' },
        /layerName: got "block5_conv2"; allowed: nothing: Gradient ex/,
      ],
      [{ method: 'smooth-grad', filters: [0] }, /filters: got \[0\]; allowed: nothing: SmoothGrad explains the model/],
      [
        { method: 'integrated-gradients', nSamples: 3 },
        /nSamples: got 3; allowed: 0: Integrated gradients averages over p/,
      ],
      [{ method: 'guided-grad-cam', filters: [1] }, /filters: got \[1\]; allowed: nothing: Guided Grad-CAM/],
      [{ steps: 0 }, /steps: got 0; allowed: a whole number from 1/],
      [{ baseline: 'white' as 'black' }, /baseline: got "white"; allowed: black, mean/],
      [{ method: 'gradient', region: true }, /region: got true; allowed: nothing/],
      [{ method: 'gradient', subset: [[0, 0]] }, /subset: got .*allowed: nothing/],
      [{ filters: [32] }, /filters: got 32; .*from 0 to 31/],
      [{ topK: 0 }, /topK: got 0/],
    ] as const) {
      await assertRejects(() => explain(model, PICTURE, options), OptionError, message);
    }
    for (const [classIndex, message] of [
      [[], /classIndex: got \[\]; allowed: a class, or a list of at least one/],
      [[3, 4, 3], /classIndex: got \[3,4,3\]; allowed: each class once/],
      [[3, 10], /classIndex: got 10/],
    ] as const) {
      await assertRejects(() => explain(model, PICTURE, { classIndex }), OptionError, message);
    }
    const nSample = { nSample: 5 } as ExplainOptions;
    await assertRejects(
      () => explain(model, PICTURE, nSample),
      OptionError,
      /nSample: got 5; allowed: nSamples; explain/,
    );
    await assertRejects(
      () => classify(model, PICTURE, nSample),
      OptionError,
      /nSample: .* classify\(\) takes topK, fit/,
    );
    await assertRejects(() => explain(model, PICTURE, null as unknown as ExplainOptions), OptionError, /got null/);
    await assertRejects(() => classify(model, PICTURE, { topK: 0 }), OptionError, /topK/);
    await assertRejects(() => classify(model, PICTURE, { fit: 'fill' as 'pad' }), OptionError, /fit/);
    const notPicture = { data: new Uint8Array(3), width: 2, height: 2 };
    await assertRejects(() => explain(model, notPicture), ImageError, /3 bytes of pixels for a picture of 2 × 2/);
    await assertRejects(() => classify(model, notPicture), ImageError, /3 bytes/);
  });
});

describe('progress', () => {
  modelTest('rises to the end, the clean picture counted as a sample', async (model) => {
    for (const batch of [1, 2, undefined]) {
      const seen: ExplainProgress[] = [];
      await explain(model, PICTURE, { ...SMOOTH, batch, onProgress: (progress) => seen.push(progress) });
      expect(seen.every(({ total }) => total === 6)).toBe(true);
      const done = seen.map((progress) => progress.done);
      expect(done).toEqual(done.toSorted((a, b) => a - b));
      expect(done.at(-1)).toBe(6);
      if (batch) expect(new Set(done).size).toBeGreaterThanOrEqual(6 / batch);
    }
  });
});

describe('an AbortSignal', () => {
  modelTest('stops at once when it has fired already', async (model, gpu) => {
    const before = gpu.memory.currentBytes;
    const signal = AbortSignal.abort(new Error('enough'));
    const error = await assertRejects(() => explain(model, PICTURE, { ...SMOOTH, signal }), AbortError, /stopped/);
    expect(error.cause).toBe(signal.reason);
    await assertRejects(() => classify(model, PICTURE, { signal }), AbortError, /stopped/);
    expect(gpu.memory.currentBytes).toBe(before);
  });

  modelTest(
    'stops between batches and holds no more memory than an explanation that ran through',
    async (model, gpu) => {
      const options = { ...SMOOTH, layerName: 'block2_conv1', batch: 1, keep: false };
      const expected = await explain(model, PICTURE, options);
      await explain(model, PICTURE, options);
      const steady = gpu.memory.currentBytes;
      for (let stopAt = 1; stopAt <= 5; stopAt++) {
        const controller = new AbortController();
        let last = 0;
        const onProgress = ({ done }: ExplainProgress) => {
          last = done;
          if (done === stopAt) controller.abort();
        };
        const { signal } = controller;
        await assertRejects(() => explain(model, PICTURE, { ...options, signal, onProgress }), AbortError, /stopped/);
        expect(last).toBe(stopAt);
        expect(gpu.memory.currentBytes).toBeLessThanOrEqual(steady);
      }
      assertSameBits((await explain(model, PICTURE, options)).map.data, expected.map.data);
      expect(gpu.memory.currentBytes).toBe(steady);
    },
  );
});

describe('memory', () => {
  modelTest('stays flat over 200 explanations', async (model, gpu) => {
    // The last eight results keep their feature maps.
    for (let i = 0; i < 10; i++) await explain(model, PICTURE, { nSamples: 1 });
    const steady = gpu.memory.currentBytes;
    const expected = await explain(model, PICTURE, { nSamples: 1 });
    for (let i = 0; i < 200; i++) {
      const result = await explain(model, PICTURE, { nSamples: 1 });
      expect(gpu.memory.currentBytes).toBe(steady);
      if (i === 199) assertSameBits(result.map.data, expected.map.data);
    }
  });

  modelTest('does not pile up when the jobs differ', async (model, gpu) => {
    const jobs = model.layerNames.map((layerName, i) => ({ layerName, nSamples: 1 + (i % 4), seed: i }));
    const round = async () => {
      for (const options of jobs) await explain(model, PICTURE, options);
      return gpu.memory.currentBytes;
    };
    const first = await round();
    expect(await round()).toBe(first);
    expect(await round()).toBe(first);
  });

  modelTest('has a peak of each job’s own', async (model, gpu) => {
    const peak = async (options: ExplainOptions) => {
      await explain(model, PICTURE, options);
      await explain(model, PICTURE, options);
      await explain(model, PICTURE, options);
      return gpu.memory.peakBytes;
    };
    const small = await peak({ nSamples: 0 });
    const twenty = await peak({ ...SMOOTH, nSamples: 20 });
    const forty = await peak({ ...SMOOTH, nSamples: 40 });
    const one = 4 * 4 * 32 * 32;
    // Not from the clean picture on: what some kernels work in has the same size for one row and for many, which may lie in it.
    expect(forty - twenty).toBeGreaterThan(20 * one);
    // The pool may lend a buffer that is larger by a quarter.
    expect(await peak({ nSamples: 0 })).toBeLessThan(1.25 * small);
    // Twenty samples one by one need little more than one.
    expect(await peak({ ...SMOOTH, nSamples: 20, batch: 1 })).toBeLessThan(small + 2 * one);
  });
});

describe('explanations at once', () => {
  modelTest('do not disturb each other', async (model) => {
    const jobs: ExplainOptions[] = [
      { ...SMOOTH, layerName: 'block1_conv1' },
      { ...SMOOTH, layerName: 'block5_conv2', batch: 2 },
      { method: 'grad-cam', layerName: 'block4_pool', classIndex: 3 },
      { ...SMOOTH, layerName: 'block3_conv1', seed: 8, batch: 1, sampleWeights: 'score' },
    ];
    // With a model of its own, so that they also meet where the weights of the way back are made.
    using fresh = await loadSmallVgg(await testGpu(), VGG);
    const together = await Promise.all([
      ...jobs.map((options) => explain(fresh, PICTURE, options)),
      classify(fresh, PICTURE),
    ]);
    for (const [i, options] of jobs.entries()) {
      const alone = await explain(model, PICTURE, options);
      assertSameBits((together[i] as Explanation).signed.data, alone.signed.data, { what: JSON.stringify(options) });
      expect((together[i] as Explanation).classIndex).toBe(alone.classIndex);
    }
    expect(together.at(-1)).toEqual(await classify(model, PICTURE));
  });

  modelTest('one stopped, the other runs through', async (model) => {
    const expected = await explain(model, PICTURE, { ...SMOOTH, batch: 1 });
    const controller = new AbortController();
    const stopped = explain(model, PICTURE, {
      ...SMOOTH,
      layerName: 'block1_conv1',
      batch: 1,
      signal: controller.signal,
      onProgress: ({ done }) => done === 2 && controller.abort(),
    });
    const [, result] = await Promise.all([
      assertRejects(() => stopped, AbortError, /stopped/),
      explain(model, PICTURE, { ...SMOOTH, batch: 1 }),
    ]);
    assertSameBits(result.map.data, expected.map.data);
  });
});

describe('a failure on the way', () => {
  modelTest('leaves nothing half-made behind', async (model) => {
    const options = { ...SMOOTH, layerName: 'block2_conv1' };
    const expected = await explain(model, PICTURE, options);
    const gpu = asForced(await Gpu.request({ adapter: await testAdapter(), ...TEST_GPU }));
    const fresh = await loadSmallVgg(gpu, VGG);
    const weightBytes = gpu.memory.currentBytes;
    // The first thing that the first explanation runs makes the weights in other forms.
    const run = gpu.run.bind(gpu);
    gpu.run = async ([first]) => {
      gpu.run = run;
      expect(first!.kernel.source.name).toMatch(/^conv2d\.(transpose-weights|winograd-filters)$/);
      throw new RangeError('the GPU stumbled');
    };
    await assertRejects(() => explain(fresh, PICTURE, options), RangeError, /stumbled/);
    assertSameBits((await explain(fresh, PICTURE, options)).map.data, expected.map.data);
    fresh.dispose();
    for (let round = 0; round < 2; round++) gpu.pool.endRound();
    // The uniforms of the longest run are all that is kept.
    expect(gpu.memory.currentBytes).toBeLessThan(weightBytes / 10);
    gpu.dispose();
  });
});

describe('a model that was disposed', () => {
  gpuTest('says so, before the work and while it is done', async (gpu) => {
    const model = await loadSmallVgg(gpu, VGG);
    const result = await explain(model, PICTURE);
    const onProgress = ({ done }: ExplainProgress) => done === 2 && model.dispose();
    for (const use of [
      () => explain(model, PICTURE, { ...SMOOTH, batch: 1, onProgress }),
      () => explain(model, PICTURE),
      () => classify(model, PICTURE),
    ]) {
      const error = await assertRejects(use, DisposedError, /the model vgg11 was disposed: .* Load it again/);
      expect(error).toMatchObject({ code: 'disposed' });
    }
    // What was made with it stays.
    expect((await result.overlay()).width).toBe(48);
  });
});

describe('the device', () => {
  it('that is lost ends every call with DeviceLostError', async () => {
    for (const lostAfter of [0, 1, 3]) {
      const gpu = asForced(await Gpu.request({ adapter: await testAdapter(), ...TEST_GPU }));
      const model = await loadSmallVgg(gpu, VGG);
      await explain(model, PICTURE);
      const onProgress = ({ done }: ExplainProgress) => done === lostAfter && gpu.device.destroy();
      const running = explain(model, PICTURE, { ...SMOOTH, batch: 1, onProgress });
      if (lostAfter === 0) gpu.device.destroy();
      await assertRejects(() => running, DeviceLostError, /the GPU device is lost: .* Request a new Gpu/);
      await assertRejects(() => explain(model, PICTURE), DeviceLostError, /lost/);
      await assertRejects(() => classify(model, PICTURE), DeviceLostError, /lost/);
      await assertRejects(() => loadSmallVgg(gpu, VGG), DeviceLostError, /lost/);
    }
  });

  it('that was created is destroyed by dispose', async () => {
    const gpu = asForced(await Gpu.request({ adapter: await testAdapter(), ...TEST_GPU }));
    const model = await loadSmallVgg(gpu, VGG);
    gpu.dispose();
    expect((await gpu.device.lost).reason).toBe('destroyed');
    await assertRejects(() => explain(model, PICTURE), DeviceLostError, /lost/);
    expect(gpu.memory.currentBytes).toBe(0);
  });

  it('that was borrowed is left alone by dispose', async () => {
    const adapter = await testAdapter();
    const device = await adapter.requestDevice();
    const first = await withErrorScopes(device, async () => {
      using gpu = asForced(Gpu.fromDevice(device, adapter.info, TEST_GPU));
      using model = await loadSmallVgg(gpu, VGG);
      expect(gpu.adapterInfo).toEqual((await testGpu()).adapterInfo);
      const result = await explain(model, PICTURE, SMOOTH);
      return result;
    });
    // A second Gpu on the same device, and its owner's own commands.
    await withErrorScopes(device, async () => {
      const gpu = asForced(Gpu.fromDevice(device, adapter.info, TEST_GPU));
      const model = await loadSmallVgg(gpu, VGG);
      assertSameBits((await explain(model, PICTURE, SMOOTH)).map.data, first.map.data);
      gpu.dispose();
      await assertRejects(() => explain(model, PICTURE), DeviceLostError, /it was disposed/);
      const buffer = device.createBuffer({ size: 16, usage: 0x8 });
      device.queue.writeBuffer(buffer, 0, new Uint8Array(16));
      buffer.destroy();
    });
    device.destroy();
  });
});

describe('overlay', () => {
  modelTest('has the picture’s size, and is the picture without opacity', async (model) => {
    const result = await explain(model, PICTURE, { layerName: 'block4_conv2', filters: [0, 3] });
    const clear = await result.overlay({ opacity: 0 });
    expect([clear.width, clear.height]).toEqual([48, 40]);
    expect(clear.data).toEqual(new Uint8ClampedArray(PICTURE.data));
    const drawn = await result.overlay();
    expect(drawn.data).toHaveLength(PICTURE.data.length);
    expect(drawn.data).not.toEqual(clear.data);
    expect(await result.overlay({ map: 0, opacity: 0.5, colorMap: 'turbo' })).toEqual(drawn);
    expect((await result.overlay({ map: 1 })).data).not.toEqual(drawn.data);
    expect((await result.overlay({ colorMap: 'viridis' })).data).not.toEqual(drawn.data);
  });

  modelTest('refuses what it has not', async (model) => {
    const result = await explain(model, PICTURE);
    await assertRejects(
      () => result.overlay({ map: 1 }),
      OptionError,
      /map: got 1; allowed: a whole number from 0 to 0/,
    );
    await assertRejects(() => result.overlay({ map: 0.5 }), OptionError, /map: got 0\.5/);
    await assertRejects(() => result.overlay({ opacity: 1.1 }), OptionError, /opacity: got 1\.1/);
    await assertRejects(() => result.overlay({ opacity: Number.NaN }), OptionError, /opacity: got NaN/);
    const colourMap = { colourMap: 'turbo' } as OverlayOptions;
    await assertRejects(
      () => result.overlay(colourMap),
      OptionError,
      /colourMap: got "turbo"; allowed: colorMap; overlay/,
    );
    await assertRejects(
      () => result.upsample({ height: 5, widht: 5 } as unknown as { height: number; width: number }),
      OptionError,
      /widht: got 5; allowed: width/,
    );
    const colorMap = 'jet' as 'turbo';
    await assertRejects(() => result.overlay({ colorMap }), OptionError, /colorMap: got "jet"; allowed: .*viridis/);
  });
});
