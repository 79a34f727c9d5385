/** Files of the layouts in the wild, read into the same network; and files that are not the network's. */
import { describe, expect } from 'vitest';
import { classify } from '../../src/classify.ts';
import { AbortError, OptionError, WeightsError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { loadModel, Model } from '../../src/model.ts';
import { Graph } from '../../src/network/graph.ts';
import { Parameters } from '../../src/network/parameters.ts';
import { vgg } from '../../src/network/vgg.ts';
import type { Precision } from '../../src/precision.ts';
import { type LoadProgress, openWeights, type WeightsFile } from '../../src/weights/source.ts';
import { assertClose, assertEqual, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { roundToFloat16 } from '../reference/float16.ts';
import { forward, logits } from '../reference/network.ts';
import { stack } from '../reference/tensor.ts';
import { concat, memoryStore, modelJson, type PlainTensor } from '../weights/made-files.ts';
import {
  fileTensors,
  float32Tensor,
  type Layout,
  loadSmallVgg,
  noisyPicture,
  openTensors,
  referenceInput,
  referenceNetwork,
  type SmallVgg,
  sizeOptions,
  smallVgg,
} from './small-vgg.ts';

// 64 pixels: the last feature maps are 2 × 2, so that the order in which they are flattened matters.
const VGG = smallVgg({ name: 'vgg11', inputSize: 64 });
const PICTURE = noisyPicture(1, 64);

/** All logits of the picture, in class order. */
async function logitsOf(model: Model): Promise<Float32Array> {
  const predictions = await classify(model, PICTURE, { topK: model.classCount });
  const values = new Float32Array(model.classCount);
  for (const { classIndex, logit } of predictions) values[classIndex] = logit;
  return values;
}

function referenceLogits(network: SmallVgg, layout: Layout): Float64Array {
  const reference = referenceNetwork(network);
  return logits(reference, forward(reference, stack([referenceInput(network, layout, PICTURE)]))).data;
}

describe('weights files', () => {
  for (const layout of ['keras', 'torchvision', 'timm'] as const) {
    gpuTest(`of ${layout} give the logits of the float64 network`, async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG, layout);
      assertClose(await logitsOf(model), referenceLogits(VGG, layout), { tolerance: 1e-5 });
      assertEqual(model.weights.format, layout === 'keras' ? 'tfjs-layers' : 'safetensors');
      assertEqual(model.parameters.convention, layout === 'keras' ? 'keras' : 'torch');
      assertEqual(model.weights.checksum?.slice(0, 7), 'sha256-');
    });
  }

  for (const head of ['avg', 'gap'] as const) {
    gpuTest(`of networks that end in a global average pooling, too (${head})`, async (gpu) => {
      const network = smallVgg({ name: 'vgg16', head, channels: 2, inputSize: 64 });
      for (const layout of ['keras', 'torchvision', 'timm'] as const) {
        using model = await loadSmallVgg(gpu, network, layout);
        assertClose(await logitsOf(model), referenceLogits(network, layout), { tolerance: 1e-5, what: layout });
      }
    });
  }

  for (const [layout, written, found] of [
    ['keras', 'predictions/', 'dense/'],
    ['torchvision', 'classifier.', 'fc.'],
  ] as const) {
    gpuTest(`may call the one fully connected layer behind a global average pooling ${found}`, async (gpu) => {
      const network = smallVgg({ name: 'vgg11', head: 'avg', channels: 1, inputSize: 64 });
      const tensors = fileTensors(network, layout);
      const renamed = tensors.map((each) => ({ ...each, name: each.name.replace(written, found) }));
      expect(renamed.filter(({ name }) => name.startsWith(found))).toHaveLength(2);
      const weights = await openTensors(renamed, layout);
      using model = await loadModel(gpu, 'vgg11-avg', { ...sizeOptions(network), weights });
      assertClose(await logitsOf(model), referenceLogits(network, layout), { tolerance: 1e-5 });
    });
  }

  gpuTest('of every layout are the same network behind the same preprocessing', async (gpu) => {
    const table = vgg('vgg11', { width: 1 / 16, inputSize: 64, classes: 10 });
    const { torch } = table.preprocessing;
    const sameInput = { ...table, preprocessing: { keras: torch, torch } };
    const graph = new Graph(sameInput);
    const results = new Map<Layout, Float32Array>();
    for (const layout of ['keras', 'torchvision', 'timm'] as const) {
      const file = await openTensors(fileTensors(VGG, layout), layout);
      using model = new Model(gpu, sameInput, graph, await Parameters.load(gpu, graph, file), file, undefined);
      results.set(layout, await logitsOf(model));
    }
    // The same matrices in the same order; Keras's fc1 adds its inputs in another.
    assertSameBits(results.get('timm')!, results.get('torchvision')!);
    assertClose(results.get('keras')!, results.get('torchvision')!, { tolerance: 2e-6 });
  });

  gpuTest('may come in any order and in pieces of any size', async (gpu) => {
    using whole = await loadSmallVgg(gpu, VGG, 'torchvision');
    const expected = await logitsOf(whole);
    for (const pieceElements of [7, 1000]) {
      for (const layout of ['torchvision', 'timm'] as const) {
        const file = await openTensors(fileTensors(VGG, layout).toReversed(), layout);
        const weights = withStream(file, (options) => file.stream({ ...options, pieceElements }));
        using model = await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights });
        assertSameBits(await logitsOf(model), expected);
      }
    }
  });

  for (const [dtype, layout, store] of [
    ['float16', 'torchvision', storeHalves],
    ['uint8', 'keras', storeBytes],
  ] as const) {
    gpuTest(`keep fully connected matrices in ${dtype}, with the same bits as of float32`, async (gpu) => {
      const { file, decoded } = await store(fileTensors(VGG, layout));
      const held: number[] = [];
      const logits: Float32Array[] = [];
      for (const opened of [file, decoded]) {
        for (const pieceElements of [7, 1 << 20]) {
          const before = gpu.memory.currentBytes;
          const weights = withStream(opened, (options) => opened.stream({ ...options, pieceElements }));
          using model = await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights });
          held.push(gpu.memory.currentBytes - before);
          logits.push(await logitsOf(model));
          for (const layer of ['fc1', 'fc2', 'predictions']) {
            const { storage } = model.parameters.dense(layer).matrix;
            assertEqual(storage.dtype, opened === file ? dtype : 'float32');
          }
        }
      }
      for (const values of logits.slice(1)) assertSameBits(values, logits[0]!);
      const elements = VGG.dense.reduce((sum, { weights }) => sum + weights.data.length, 0);
      const saved = elements * (dtype === 'uint8' ? 3 : 2);
      expect(held[2]! - held[0]!).toBeGreaterThan(0.9 * saved);
    });
  }

  for (const layout of ['keras', 'torchvision'] as const) {
    gpuTest(`of ${layout} have all but their biases rounded to float16 where that is asked for`, async (gpu) => {
      const tensors = fileTensors(VGG, layout);
      const rounded = roundTensors(tensors, ({ shape }) => shape.length > 1);
      const load = async (from: PlainTensor[], pieceElements: number, precision?: Precision) => {
        const file = await openTensors(from, layout);
        const weights = withStream(file, (options) => file.stream({ ...options, pieceElements }));
        const before = gpu.memory.currentBytes;
        using model = await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights, precision });
        const held = gpu.memory.currentBytes - before;
        const { dtype } = model.parameters.dense('fc1').matrix.storage;
        return { logits: await logitsOf(model), held, dtype, precision: model.weights.precision };
      };
      const single = await load(tensors, 1 << 20);
      const expected = await load(rounded, 1 << 20, 'f32');
      for (const pieceElements of [7, 1 << 20]) {
        const half = await load(tensors, pieceElements, 'f16-storage');
        expect(half).toMatchObject({ dtype: 'float16', precision: 'f16-storage' });
        assertSameBits(half.logits, expected.logits);
        expect(half.logits).not.toEqual(single.logits);
        const elements = [...VGG.blocks.flat(), ...VGG.dense].reduce(
          (sum, { weights }) => sum + weights.data.length,
          0,
        );
        expect(single.held - half.held).toBeGreaterThan(0.95 * 2 * elements);
      }
      expect(single).toMatchObject({ dtype: 'float32', precision: 'f32' });
    });
  }

  gpuTest('of 8 bits keep their matrices, whatever the precision', async (gpu) => {
    // Convolutions are rounded, if they have anything to lose.
    const tensors = roundTensors(fileTensors(VGG, 'keras'), ({ name }) => isConv(name));
    const { file } = await storeBytes(tensors);
    const logits: Float32Array[] = [];
    for (const precision of ['f32', 'f16-storage'] as const) {
      const weights = withStream(file, (options) => file.stream(options));
      using model = await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights, precision });
      assertEqual(model.parameters.dense('fc1').matrix.storage.dtype, 'uint8');
      logits.push(await logitsOf(model));
    }
    assertSameBits(logits[1]!, logits[0]!);
  });

  gpuTest('with batch normalisation are folded into the convolutions', async (gpu) => {
    const normalised = smallVgg({ name: 'vgg11', batchNorm: true, seed: 5, inputSize: 64 });
    const tensors = fileTensors(normalised, 'torchvision');
    for (const order of [tensors, tensors.toReversed()]) {
      const weights = await openTensors(order, 'torchvision');
      using model = await loadModel(gpu, 'vgg11-bn', { ...sizeOptions(normalised), weights });
      assertClose(await logitsOf(model), referenceLogits(normalised, 'torchvision'), { tolerance: 1e-5 });
    }
  });

  gpuTest('with batch normalisation need no bias in front of it', async (gpu) => {
    const normalised = smallVgg({
      name: 'vgg11',
      batchNorm: true,
      seed: 6,
      scale: (layer) => (isConv(layer) ? 1 : 0.1),
    });
    const unbiased = {
      ...normalised,
      blocks: normalised.blocks.map((block) =>
        block.map((conv) => ({ ...conv, bias: { ...conv.bias, data: conv.bias.data.map(() => 0) } })),
      ),
    };
    // torchvision numbers the convolutions of VGG-11 with batch normalisation 0, 4, 8, 11, 15, 18, 22 and 25.
    const biases = [0, 4, 8, 11, 15, 18, 22, 25].map((module) => `features.${module}.bias`);
    const tensors = fileTensors(unbiased, 'torchvision').filter(({ name }) => !biases.includes(name));
    const weights = await openTensors(tensors, 'torchvision');
    using model = await loadModel(gpu, 'vgg11-bn', { ...sizeOptions(unbiased), weights });
    assertClose(await logitsOf(model), referenceLogits(unbiased, 'torchvision'), { tolerance: 1e-5 });
  });

  gpuTest('are given back with the model', async (gpu) => {
    const before = gpu.memory.currentBytes;
    const model = await loadSmallVgg(gpu, VGG, 'torchvision');
    const parameters = [...VGG.blocks.flat(), ...VGG.dense].reduce(
      (sum, { weights, bias }) => sum + weights.data.length + bias.data.length,
      0,
    );
    const held = gpu.memory.currentBytes - before;
    expect(held).toBeGreaterThanOrEqual(4 * parameters);
    model.dispose();
    assertEqual(gpu.memory.currentBytes, before);
  });
});

describe('a weights file that is not the network’s', () => {
  const change = (tensors: PlainTensor[], name: string, by: (found: PlainTensor) => PlainTensor[]) =>
    tensors.flatMap((found) => (found.name === name ? by(found) : [found]));
  const file = { keras: 'vgg/model.json', torchvision: 'vgg.safetensors', timm: 'vgg.safetensors' };

  for (const layout of ['keras', 'torchvision', 'timm'] as const) {
    const tensors = fileTensors(VGG, layout);
    for (const { name, shape } of [tensors[3]!, tensors.at(-6)!]) {
      gpuTest(`of ${layout} lacks ${name}`, async (gpu) => {
        const error = await loadError(
          gpu,
          change(tensors, name, () => []),
          layout,
        );
        expect(error).toMatchObject({ file: file[layout], tensor: name });
        expect(error.message).toMatch(/a tensor of the network is missing/);
        expect(error.expected).toContain(`[${shape.join(', ')}]`);
      });

      gpuTest(`of ${layout} has ${name} in another shape`, async (gpu) => {
        const transposed = change(tensors, name, (found) => [{ ...found, shape: [1, ...found.shape] }]);
        const error = await loadError(gpu, transposed, layout);
        expect(error).toMatchObject({ file: file[layout], tensor: name, found: `[${[1, ...shape].join(', ')}]` });
        expect(error.expected).toContain(`[${shape.join(', ')}]`);
      });
    }

    gpuTest(`of ${layout} has a tensor too many`, async (gpu) => {
      const name = tensors[0]!.name.replace(/\d/, '9');
      const extra = float32Tensor(name, { shape: [2], data: Float64Array.of(1, 2) });
      const error = await loadError(gpu, [...tensors, extra], layout);
      expect(error).toMatchObject({ file: file[layout], tensor: name });
      expect(error.message).toMatch(/a tensor that the network does not have/);
    });
  }

  gpuTest('belongs to a deeper network', async (gpu) => {
    const deeper = smallVgg({ name: 'vgg16', inputSize: 64 });
    for (const [layout, tensor] of [
      ['keras', 'block1_conv2/kernel'],
      // torchvision's numbers mean other layers there: VGG-11's second convolution is number 3, VGG-16's number 5.
      ['torchvision', 'features.3.weight'],
    ] as const) {
      const error = await loadError(gpu, fileTensors(deeper, layout), layout);
      expect(error.file).toBe(file[layout]);
      expect(error.tensor).toBe(tensor);
    }
  });

  gpuTest('belongs to a network with batch normalisation, or to none of these at all', async (gpu) => {
    const normalised = fileTensors(smallVgg({ name: 'vgg11', batchNorm: true, inputSize: 64 }), 'torchvision');
    expect((await loadError(gpu, normalised, 'torchvision')).tensor).toMatch(/^features\.\d+\./);
    const plain = await openTensors(fileTensors(VGG, 'torchvision'), 'torchvision');
    const missing = loadModel(gpu, 'vgg11-bn', { ...sizeOptions(VGG), weights: plain });
    await expect(missing).rejects.toThrow(WeightsError);
    const other = await loadError(gpu, [
      float32Tensor('layer1.0.conv1.weight', { shape: [1], data: Float64Array.of(1) }),
    ]);
    expect(other.message).toMatch(/these are not weights of vgg11; .*block1_conv1\/kernel or features\.0\.weight/);
    expect(other.found).toBe('layer1.0.conv1.weight');
  });

  gpuTest('holds numbers that are none', async (gpu) => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const tensors = fileTensors(VGG, 'torchvision');
      const { bytes, name } = tensors.at(-2)!;
      new DataView(bytes.buffer).setFloat32(4 * 77, value, true);
      const error = await loadError(gpu, tensors);
      expect(error).toMatchObject({ file: 'vgg.safetensors', tensor: name, found: `${value} at element 77` });
    }
  });

  gpuTest('holds a number that is too large for float16, where that is asked for', async (gpu) => {
    const tensors = fileTensors(VGG, 'torchvision');
    const { bytes, name } = tensors.findLast(isMatrix)!;
    const data = new DataView(bytes.buffer);
    data.setFloat32(4 * 76, 65519, true);
    const weights = await openTensors(tensors, 'torchvision');
    (await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights, precision: 'f16-storage' })).dispose();
    data.setFloat32(4 * 77, -65520, true);
    const error = await loadError(gpu, tensors, 'torchvision', 'f16-storage');
    expect(error).toMatchObject({ file: 'vgg.safetensors', tensor: name, found: '-65520 at element 77' });
    expect(error.message).toMatch(/float16 cannot hold; load the model with the precision 'f32'/);
    const single = await openTensors(tensors, 'torchvision');
    (await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights: single })).dispose();
  });

  gpuTest('is normalised to a number that is too large for float16, where that is asked for', async (gpu) => {
    const normalised = smallVgg({ name: 'vgg11', batchNorm: true, seed: 5, inputSize: 64 });
    const tensors = fileTensors(normalised, 'torchvision');
    // γ of the first layer: what it scales can be held without it.
    const gamma = tensors.find((tensor) => tensor.name === 'features.1.weight')!;
    new Float32Array(gamma.bytes.buffer).fill(1e6);
    const weights = await openTensors(tensors, 'torchvision');
    const load = () => loadModel(gpu, 'vgg11-bn', { ...sizeOptions(normalised), weights, precision: 'f16-storage' });
    await assertRejects(
      load,
      WeightsError,
      /scale of its batch normalisation .*float16 cannot hold; .*features\.0\.weight/,
    );
  });

  gpuTest('ends too early', async (gpu) => {
    const file = await openTensors(fileTensors(VGG, 'keras'), 'keras');
    const weights = withStream(file, async function* (options) {
      for await (const piece of file.stream(options)) {
        if (piece.tensor.name === 'fc1/kernel') {
          throw new WeightsError('the file ends too early', { file: file.origin, tensor: 'fc1/kernel' });
        }
        yield piece;
      }
    });
    const before = gpu.memory.currentBytes;
    await assertRejects(() => loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights }), WeightsError, /fc1/);
    assertEqual(gpu.memory.currentBytes, before);
  });

  /** The error of loading the tensors as VGG-11, after which the GPU's memory must be as before. */
  async function loadError(
    gpu: Gpu,
    tensors: PlainTensor[],
    layout: Layout = 'torchvision',
    precision?: Precision,
  ): Promise<WeightsError> {
    const before = gpu.memory.currentBytes;
    const weights = await openTensors(tensors, layout);
    const error = await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights, precision }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(WeightsError);
    assertEqual(gpu.memory.currentBytes, before, 'bytes left on the GPU');
    return error as WeightsError;
  }
});

describe('loadModel', () => {
  gpuTest('reports progress, and stops when it is told', async (gpu) => {
    const before = gpu.memory.currentBytes;
    const load = async (signal: AbortSignal, onShare: (share: number) => void) => {
      const weights = await openTensors(fileTensors(VGG, 'torchvision'), 'torchvision');
      const onProgress = ({ loadedBytes, totalBytes }: LoadProgress) => onShare(loadedBytes / totalBytes);
      return loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights, signal, onProgress });
    };
    const seen: number[] = [];
    (await load(new AbortController().signal, (share) => seen.push(share))).dispose();
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
    await assertRejects(() => load(AbortSignal.abort(), () => {}), AbortError, /stopped/);
    const controller = new AbortController();
    await assertRejects(() => load(controller.signal, () => controller.abort()), AbortError, /stopped/);
    assertEqual(gpu.memory.currentBytes, before);
  });

  gpuTest('draws no more random weights than it was told to', async (gpu) => {
    const before = gpu.memory.currentBytes;
    const controller = new AbortController();
    const shares: number[] = [];
    const onProgress = ({ loadedBytes, totalBytes }: LoadProgress) => {
      shares.push(loadedBytes / totalBytes);
      if (shares.length === 3) controller.abort();
    };
    const options = { weights: { random: 1 }, width: 1 / 16, signal: controller.signal, onProgress };
    await assertRejects(() => loadModel(gpu, 'vgg11', options), AbortError, /stopped/);
    assertEqual(shares.length, 3);
    assertEqual(gpu.memory.currentBytes, before);
  });

  gpuTest('refuses sizes and labels that no network has', async (gpu) => {
    const weights = { random: 1 } as const;
    for (const [options, message] of [
      [{ width: 0 }, /^width: got 0;/],
      [{ width: Number.NaN }, /^width: got NaN;/],
      [{ width: 5 }, /^width: got 5;/],
      [{ classes: 0 }, /^classes: got 0;/],
      [{ classes: 2.5 }, /^classes: got 2.5;/],
      [{ inputSize: 100 }, /^inputSize: got 100; allowed: a multiple of 32/],
      [{ inputSize: 0 }, /^inputSize: got 0;/],
      [{ classes: 3, labels: ['a', 'b'] }, /^labels: got "2 labels"; allowed: one label for each of the 3 classes/],
      [{ precision: 'f8' as 'f32' }, /^precision: got "f8"; allowed: f32, f16-storage, f16$/],
      // The tests' device is made without the feature.
      [
        { precision: 'f16' },
        /^precision: got "f16"; allowed: f32, f16-storage: this device has no shader-f16, .*Gpu.request/,
      ],
      [{ widht: 1 }, /^widht: got 1; allowed: width; loadModel\(\) takes/],
      [{ weights: null as unknown as undefined }, /^weights: got null/],
      [{ weights: { random: -1 } }, /^weights: .*random:SEED/],
      [{ weights: { random: 0.5 } }, /^weights: .*random:SEED/],
    ] as const) {
      await assertRejects(() => loadModel(gpu, 'vgg11', { weights, ...options }), OptionError, message);
    }
    await assertRejects(() => loadModel(gpu, 'vgg12' as 'vgg11', { weights }), OptionError, /^model: got "vgg12"/);
  });

  gpuTest('makes the same random weights from the same seed', async (gpu) => {
    const size = { width: 1 / 16, inputSize: 32, classes: 10 };
    const random = async (seed: number, name: 'vgg11' | 'vgg11-bn' = 'vgg11') => {
      using model = await loadModel(gpu, name, { weights: { random: seed }, ...size });
      return await logitsOf(model);
    };
    assertSameBits(await random(3), await random(3));
    expect(await random(3)).not.toEqual(await random(4));
    expect((await random(3, 'vgg11-bn')).every((logit) => Number.isFinite(logit))).toBe(true);
  });

  gpuTest('describes the model', async (gpu) => {
    const labels = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    const weights = await openTensors(fileTensors(VGG, 'torchvision'), 'torchvision');
    using model = await loadModel(gpu, 'vgg11', { ...sizeOptions(VGG), weights, labels });
    assertEqual(model.name, 'vgg11');
    assertEqual(model.inputShape, [3, 64, 64]);
    assertEqual(model.classCount, 10);
    assertEqual(model.layerNames.length, 8 + 5);
    const { name, shape } = model.resolveLayer('features.18');
    assertEqual({ name, shape }, { name: 'block5_conv2', shape: [32, 4, 4] });
    assertEqual(model.weights.origin, 'vgg.safetensors');
    const [best] = await classify(model, PICTURE);
    assertEqual(best!.label, `class ${best!.classIndex}`);
  });
});

interface Pair {
  readonly file: WeightsFile;
  /** The same numbers in float32. */
  readonly decoded: WeightsFile;
}

const isMatrix = ({ name, shape }: PlainTensor) => shape.length === 2 && /weight$|kernel$/.test(name);

/** The tensors, those that `isRounded` names with their elements rounded to the nearest float16. */
function roundTensors(tensors: PlainTensor[], isRounded: (tensor: PlainTensor) => boolean): PlainTensor[] {
  return tensors.map((found) => {
    if (!isRounded(found)) return found;
    const values = new Float32Array(found.bytes.buffer).map(roundToFloat16);
    return { ...found, bytes: new Uint8Array(values.buffer) };
  });
}

/** Matrices with their elements rounded towards zero to float16. */
async function storeHalves(tensors: PlainTensor[]): Promise<Pair> {
  const halves = new Map<string, PlainTensor>();
  const rounded = new Map<string, PlainTensor>();
  for (const found of tensors.filter(isMatrix)) {
    const bits = Uint32Array.from(new Uint32Array(found.bytes.buffer), (word) => {
      // Of float32's bits those that a float16 has, where its exponent reaches.
      return ((word >>> 23) & 255) >= 113 ? word & 0xffffe000 : 0;
    });
    const half = Uint16Array.from(bits, (word) =>
      word ? ((word >>> 31) << 15) | (((word & 0x7fffffff) >>> 13) - (112 << 10)) : 0,
    );
    halves.set(found.name, { ...found, dtype: 'F16', bytes: new Uint8Array(half.buffer) });
    rounded.set(found.name, { ...found, bytes: new Uint8Array(bits.buffer) });
  }
  const open = (changed: Map<string, PlainTensor>) =>
    openTensors(
      tensors.map((found) => changed.get(found.name) ?? found),
      'torchvision',
    );
  return { file: await open(halves), decoded: await open(rounded) };
}

/** Matrices quantised to 8 bits as the tensorflowjs converter does. */
async function storeBytes(tensors: PlainTensor[]): Promise<Pair> {
  const manifest: object[] = [];
  const parts: Uint8Array[] = [];
  const decoded = tensors.map((found): PlainTensor => {
    const { name, shape, bytes } = found;
    if (!isMatrix(found)) {
      manifest.push({ name, shape, dtype: 'float32' });
      parts.push(bytes);
      return found;
    }
    const values = new Float32Array(bytes.buffer);
    const min = values.reduce((least, value) => Math.min(least, value), 0);
    const scale = (values.reduce((most, value) => Math.max(most, value), 0) - min) / 255;
    const quantised = Uint8Array.from(values, (value) => Math.round((value - min) / scale));
    manifest.push({ name, shape, dtype: 'float32', quantization: { dtype: 'uint8', scale, min } });
    parts.push(quantised);
    const inFloat32 = Float32Array.from(quantised, (q) => Math.fround(q * Math.fround(scale)) + Math.fround(min));
    return { ...found, bytes: new Uint8Array(inFloat32.buffer) };
  });
  const files = {
    'vgg/model.json': modelJson({ paths: ['weights.bin'], weights: manifest }),
    'vgg/weights.bin': concat(parts),
  };
  return {
    file: await openWeights('vgg/model.json', { store: memoryStore(files) }),
    decoded: await openTensors(decoded, 'keras'),
  };
}

/** The file with another way of reading it. */
function withStream(file: WeightsFile, stream: WeightsFile['stream']): WeightsFile {
  const { format, origin, tensors, integerTensors } = file;
  return {
    format,
    origin,
    tensors,
    integerTensors,
    stream,
    checksum: () => file.checksum(),
    close: () => file.close(),
  };
}

function isConv(layer: string): boolean {
  return layer.includes('conv');
}
