/**
 * Against @tensorflow/tfjs, an independent program: the same small VGG built of its operations on its CPU backend, with
 * gradients by its automatic differentiation, and the maps from those gradients in a few lines of plain arithmetic.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe } from 'vitest';
import { explain } from '../../src/explain.ts';
import type { MethodName } from '../../src/methods.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { assertClose, assertEqual } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import {
  fileTensors,
  loadSmallVgg,
  noisyPicture,
  referenceBaseline,
  referenceInput,
  type SmallVgg,
  smallVgg,
} from '../network/small-vgg.ts';
import { noisySamples } from '../reference/noise.ts';
import { midpoints } from '../reference/path.ts';
import { slice, type Tensor } from '../reference/tensor.ts';
import { mapTolerance } from './oracle.ts';

const PICTURE = noisyPicture(4, 70, 64);

beforeAll(() => tf.setBackend('cpu'));

/** The network in TensorFlow's layout: pictures [1, H, W, 3] of B, G, R, kernels [3, 3, in, out], rows in H, W, C order. */
class TfjsVgg {
  readonly #weights: ReadonlyMap<string, tf.Tensor>;
  readonly #layers: string[];
  readonly #relu: (x: tf.Tensor) => tf.Tensor;

  constructor(vgg: SmallVgg, relu: (x: tf.Tensor) => tf.Tensor = tf.relu) {
    this.#relu = relu;
    const tensors = fileTensors(vgg, 'keras');
    this.#weights = new Map(
      tensors.map(({ name, shape, bytes }) => [name, tf.tensor(new Float32Array(bytes.buffer), shape)]),
    );
    this.#layers = vgg.blocks.flatMap((block, b) => [...block.map(({ name }) => name), `block${b + 1}_pool`]);
    this.#layers.push('flatten', 'fc1', 'fc2', 'predictions');
  }

  /** From the output of layer `after` (default: from the picture) to that of `until` (default: to the logits). */
  run(x: tf.Tensor, { after, until = 'predictions' }: { after?: string; until?: string }): tf.Tensor {
    const first = after === undefined ? 0 : this.#layers.indexOf(after) + 1;
    return this.#layers.slice(first, this.#layers.indexOf(until) + 1).reduce((y, name) => this.#layer(name, y), x);
  }

  #layer(name: string, x: tf.Tensor): tf.Tensor {
    if (name.endsWith('_pool')) return tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid');
    if (name === 'flatten') return tf.reshape(x, [x.shape[0]!, -1]);
    const kernel = this.#weights.get(`${name}/kernel`)!;
    const sums = name.includes('conv')
      ? tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, 'same')
      : tf.matMul(x, kernel);
    const y = tf.add(sums, this.#weights.get(`${name}/bias`)!);
    return name === 'predictions' ? y : this.#relu(y);
  }
}

/** [C, H, W] of the oracle to [1, H, W, C] of TensorFlow. */
function toTfjs({ shape, data }: Tensor): tf.Tensor {
  return tf.tidy(() => tf.expandDims(tf.transpose(tf.tensor(Float32Array.from(data), [...shape]), [1, 2, 0]), 0));
}

interface Pass {
  readonly logits: Float32Array;
  /** [cells][maps] of the layer: its feature maps and the gradient of the class's logit with respect to them. */
  readonly activations: Float32Array;
  readonly gradients: Float32Array;
  readonly shape: readonly [height: number, width: number, maps: number];
}

/** @param classIndex default: the most probable */
function pass(network: TfjsVgg, input: Tensor, layerName: string, classIndex?: number): Pass {
  return tf.tidy(() => {
    const activations = network.run(toTfjs(input), { until: layerName });
    const logits = network.run(activations, { after: layerName }).dataSync() as Float32Array;
    const explained = classIndex ?? logits.indexOf(Math.max(...logits));
    const score = (a: tf.Tensor) =>
      tf.sum(tf.slice(network.run(a, { after: layerName }), [0, explained], [1, 1])) as tf.Scalar;
    const gradients = tf.grad(score)(activations);
    return {
      logits,
      activations: activations.dataSync() as Float32Array,
      gradients: gradients.dataSync() as Float32Array,
      shape: activations.shape.slice(1) as [number, number, number],
    };
  });
}

/** The methods' equations as their papers have them, over the gradients' own cells; Omeiza et al. 2019: its Eq. 5 to 8. */
function heatMap(method: MethodName, clean: Pass, differentiated: readonly Pass[]): Float64Array {
  const [height, width, maps] = clean.shape;
  const cells = height * width;
  const map = new Float64Array(cells);
  for (let k = 0; k < maps; k++) {
    const mean = (cell: number, power: number) =>
      differentiated.reduce((sum, { gradients }) => sum + gradients[cell * maps + k]! ** power, 0) /
      differentiated.length;
    let activationSum = 0;
    for (let cell = 0; cell < cells; cell++) activationSum += clean.activations[cell * maps + k]!;
    let weight = 0;
    for (let cell = 0; cell < cells; cell++) {
      if (method === 'grad-cam') weight += mean(cell, 1) / cells;
      else if (method === 'xgrad-cam') {
        if (activationSum > 0) weight += (clean.activations[cell * maps + k]! / activationSum) * mean(cell, 1);
      } else {
        const denominator = 2 * mean(cell, 2) + activationSum * mean(cell, 3);
        if (denominator > 0) weight += (mean(cell, 2) / denominator) * Math.max(0, mean(cell, 1));
      }
    }
    for (let cell = 0; cell < cells; cell++) {
      if (method === 'hires-cam') weight = mean(cell, 1);
      if (method === 'layer-cam') weight = Math.max(0, mean(cell, 1));
      map[cell]! += weight * clean.activations[cell * maps + k]!;
    }
  }
  return map.map((value) => Math.max(0, value));
}

/** Muhammad and Yeasin 2020: of a power of the Gram matrix any column points along its first eigenvector. */
function eigenMap({ activations, shape: [height, width, maps] }: Pass): Float32Array {
  return tf.tidy(() => {
    const matrix = tf.tensor2d(activations, [height * width, maps]);
    let power: tf.Tensor = tf.matMul(matrix, matrix, true, false);
    for (let squaring = 0; squaring < 14; squaring++) {
      power = tf.div(power, tf.max(power));
      power = tf.matMul(power, power);
    }
    const direction = tf.sum(power, 1, true);
    return tf.matMul(matrix, tf.div(direction, tf.norm(direction))).dataSync() as Float32Array;
  });
}

/** ReLU forward, and on the way back the positive part of what comes, where the ReLU was active or everywhere. */
function reluThatPassesPositive({ whereActive }: { whereActive: boolean }): (x: tf.Tensor) => tf.Tensor {
  return tf.customGrad((x, save) => {
    const input = x as tf.Tensor;
    (save as (tensors: tf.Tensor[]) => void)([input]);
    const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
      const positive = tf.relu(dy);
      return whereActive ? tf.mul(positive, tf.cast(tf.greater(saved!, 0), 'float32')) : positive;
    };
    return { value: tf.relu(input), gradFunc };
  });
}

/** Mean of ∂S_c/∂x over the inputs, [C, H, W]: TensorFlow's [1, H, W, C] in the order of the oracle. */
function inputGradient(network: TfjsVgg, inputs: readonly Tensor[], classIndex: number): Float32Array {
  return tf.tidy(() => {
    const score = (x: tf.Tensor) => tf.sum(tf.slice(network.run(x, {}), [0, classIndex], [1, 1])) as tf.Scalar;
    const gradients = inputs.map((input) => tf.grad(score)(toTfjs(input)));
    return tf.transpose(tf.squeeze(tf.div(tf.addN(gradients), inputs.length)), [2, 0, 1]).dataSync() as Float32Array;
  });
}

/** The seeds of the noise keep cells away from the pole of α, next to which float32 has no four digits. */
describe('TensorFlow.js computes the same', () => {
  for (const { vgg, seed, layers } of [
    {
      vgg: smallVgg({ name: 'vgg16', seed: 33 }),
      seed: 1,
      layers: ['block1_conv1', 'block2_pool', 'block3_conv3', 'block5_conv3'],
    },
    {
      vgg: smallVgg({ name: 'vgg11', seed: 34, inputSize: 64, channels: 3, classes: 7 }),
      seed: 5,
      layers: ['block1_conv1', 'block3_conv1', 'block4_pool', 'block5_conv2'],
    },
  ]) {
    gpuTest(`${vgg.name}: logits and the maps of every method`, async (gpu) => {
      using model = await loadSmallVgg(gpu, vgg, 'keras');
      const network = new TfjsVgg(vgg);
      const input = referenceInput(vgg, 'keras', PICTURE);
      const samples = noisySamples(input, 3, { stdDev: 0.15, noiseScale: 'relative', seed });
      for (const layerName of layers) {
        const clean = pass(network, input, layerName);
        const classIndex = clean.logits.indexOf(Math.max(...clean.logits));
        const noisy = [0, 1, 2].map((m) => pass(network, slice(samples, m), layerName, classIndex));
        const cases: [ExplainOptions, Pass[]][] = [
          [{ method: 'eigen-cam' }, []],
          [{ method: 'grad-cam' }, [clean]],
          [{ method: 'grad-cam++' }, [clean]],
          [{ method: 'smooth-grad-cam++', nSamples: 3, stdDev: 0.15, seed }, noisy],
          ...(['hires-cam', 'xgrad-cam', 'layer-cam'] as const).flatMap((method): [ExplainOptions, Pass[]][] => [
            [{ method }, [clean]],
            [{ method, nSamples: 3, stdDev: 0.15, seed }, noisy],
          ]),
        ];
        for (const [options, differentiated] of cases) {
          const result = await explain(model, PICTURE, { ...options, layerName, topK: vgg.classes });
          const what = `${options.method} of ${layerName}`;
          assertEqual(result.classIndex, classIndex, `class, ${what}`);
          const logits = result.predictions.toSorted((a, b) => a.classIndex - b.classIndex).map(({ logit }) => logit);
          assertClose(logits, clean.logits, { what: `logits, ${what}`, tolerance: 1e-5 });
          const expected =
            options.method === 'eigen-cam'
              ? eigenMap(clean)
              : heatMap(options.method as MethodName, clean, differentiated);
          assertClose(result.map.data, expected, {
            what,
            tolerance: mapTolerance(model),
            shape: clean.shape.slice(0, 2),
          });
        }
      }
    });

    gpuTest(`${vgg.name}: the gradient at the input, of the picture and of noisy copies`, async (gpu) => {
      using model = await loadSmallVgg(gpu, vgg, 'keras');
      const networks = {
        'guided-backprop': new TfjsVgg(vgg, reluThatPassesPositive({ whereActive: true })),
        deconvnet: new TfjsVgg(vgg, reluThatPassesPositive({ whereActive: false })),
        gradient: new TfjsVgg(vgg),
      };
      const input = referenceInput(vgg, 'keras', PICTURE);
      const baseline = referenceBaseline('keras');
      const noise = { stdDev: 0.15, noiseScale: 'relative', seed } as const;
      const samples = noisySamples(input, 3, noise);
      const noisy = [0, 1, 2].map((m) => slice(samples, m));
      const cases: [ExplainOptions, Tensor[]][] = [
        [{ method: 'gradient' }, [input]],
        [{ method: 'smooth-grad', nSamples: 3, ...noise }, noisy],
        [{ method: 'gradient-x-input' }, [input]],
        [{ method: 'integrated-gradients', steps: 8 }, midpoints(input, baseline, 8)],
        [{ method: 'guided-backprop' }, [input]],
        [{ method: 'deconvnet', nSamples: 3, ...noise }, noisy],
      ];
      for (const [options, inputs] of cases) {
        const { method } = options;
        const network = networks[method === 'guided-backprop' || method === 'deconvnet' ? method : 'gradient'];
        for (const classIndex of [0, 4]) {
          const result = await explain(model, PICTURE, { ...options, classIndex });
          const gradient = inputGradient(network, inputs, classIndex);
          const cells = input.data.length / 3;
          const factors: Partial<Record<MethodName, (i: number) => number>> = {
            'gradient-x-input': (i) => input.data[i]!,
            'integrated-gradients': (i) => input.data[i]! - baseline[Math.floor(i / cells)]!,
          };
          const factor = factors[method as MethodName] ?? (() => 1);
          const expected = gradient.map((g, i) => g * factor(i));
          const what = `${method}, class ${classIndex}`;
          assertClose(result.signed.data, expected, {
            what,
            tolerance: mapTolerance(model),
            shape: result.signed.shape,
          });
        }
      }
    });
  }
});
