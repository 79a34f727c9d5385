/**
 * Against @tensorflow/tfjs, an independent program: the same small VGG built of its operations on its CPU backend, with
 * gradients by its automatic differentiation, and the maps from those gradients in a few lines of plain arithmetic.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe } from 'vitest';
import { explain } from '../../src/explain.ts';
import type { HeatMaps } from '../../src/explanation.ts';
import type { MethodName } from '../../src/methods.ts';
import type { Model } from '../../src/model.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { SCORES, type ScoreName } from '../../src/scores.ts';
import { assert, assertClose, assertEqual } from '../harness/assertions.ts';
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
    const hasPool = (b: number) => !(vgg.head === 'gap' && b === vgg.blocks.length - 1);
    this.#layers = vgg.blocks.flatMap((block, b) => [
      ...block.map(({ name }) => name),
      ...(hasPool(b) ? [`block${b + 1}_pool`] : []),
    ]);
    this.#layers.push(vgg.head === 'classifier' ? 'flatten' : 'means', ...vgg.dense.map(({ name }) => name));
  }

  /** From the output of layer `after` (default: from the picture) to that of `until` (default: to the logits). */
  run(x: tf.Tensor, { after, until = 'predictions' }: { after?: string; until?: string }): tf.Tensor {
    const first = after === undefined ? 0 : this.#layers.indexOf(after) + 1;
    return this.#layers.slice(first, this.#layers.indexOf(until) + 1).reduce((y, name) => this.#layer(name, y), x);
  }

  #layer(name: string, x: tf.Tensor): tf.Tensor {
    if (name.endsWith('_pool')) return tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid');
    if (name === 'flatten') return tf.reshape(x, [x.shape[0]!, -1]);
    if (name === 'means') return tf.mean(x, [1, 2]);
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

/** The score of a class from logits [1, classes]; of exp that of its exponent, whose gradient stands for it. */
function scoreOf(score: ScoreName, logits: tf.Tensor, classIndex: number): tf.Scalar {
  const values = {
    exp: () => logits,
    logit: () => logits,
    sigmoid: () => tf.sigmoid(logits),
    softmax: () => tf.softmax(logits),
    'log-softmax': () => tf.logSoftmax(logits),
  }[score]();
  return tf.sum(tf.slice(values, [0, classIndex], [1, 1])) as tf.Scalar;
}

/** @param classIndex default: the most probable */
function pass(
  network: TfjsVgg,
  input: Tensor,
  layerName: string,
  classIndex?: number,
  scoreName: ScoreName = 'exp',
): Pass {
  return tf.tidy(() => {
    const activations = network.run(toTfjs(input), { until: layerName });
    const logits = network.run(activations, { after: layerName }).dataSync() as Float32Array;
    const explained = classIndex ?? logits.indexOf(Math.max(...logits));
    const score = (a: tf.Tensor) => scoreOf(scoreName, network.run(a, { after: layerName }), explained);
    const gradients = tf.grad(score)(activations);
    return {
      logits,
      activations: activations.dataSync() as Float32Array,
      gradients: gradients.dataSync() as Float32Array,
      shape: activations.shape.slice(1) as [number, number, number],
    };
  });
}

/**
 * The methods' equations as their papers have them, in front of the last ReLU, over the gradients' own cells; Omeiza et al. 2019:
 * its Eq. 5 to 8.
 */
function signedMap(method: MethodName, clean: Pass, differentiated: readonly Pass[]): Float64Array {
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
  return map;
}

/** The positive part of a map [h, w] at another size, bilinearly. */
function enlarge(map: Float64Array, [h, w]: readonly number[], [height, width]: readonly number[]): Float32Array {
  return tf.tidy(() => {
    const small = tf.relu(tf.tensor4d(Float32Array.from(map), [1, h!, w!, 1]));
    return tf.image.resizeBilinear(small, [height!, width!], false, true).dataSync() as Float32Array;
  });
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

/**
 * Score-CAM (Wang et al. 2020, Algorithm 1), of the picture under each feature map that is not constant, and Ablation-CAM (Desai
 * and Ramaswamy 2020), without each feature map.
 */
function maskedMap(
  method: 'score-cam' | 'ablation-cam',
  network: TfjsVgg,
  input: Tensor,
  layerName: string,
  classIndex: number,
): Float32Array {
  return tf.tidy(() => {
    const x = toTfjs(input);
    const activations = network.run(x, { until: layerName }) as tf.Tensor4D;
    const maps = activations.shape[3];
    // [maps, 1, 1, maps]: 1 where a copy is that of the map.
    const own = tf.reshape(tf.eye(maps), [maps, 1, 1, maps]);
    const scores = (logits: tf.Tensor) => tf.squeeze(tf.slice(logits, [0, classIndex], [maps, 1]), [1]);
    let weights: tf.Tensor;
    if (method === 'ablation-cam') {
      const without = scores(network.run(tf.mul(activations, tf.sub(1, own)), { after: layerName }));
      const whole = tf.squeeze(tf.slice(network.run(x, {}), [0, classIndex], [1, 1]));
      weights = tf.div(tf.sub(whole, without), tf.abs(whole));
    } else {
      const [, height, width] = x.shape as number[];
      const enlarged = tf.transpose(tf.image.resizeBilinear(activations, [height!, width!], false, true), [3, 1, 2, 0]);
      const lowest = tf.min(enlarged, [1, 2, 3], true);
      const range = tf.sub(tf.max(enlarged, [1, 2, 3], true), lowest);
      const masks = tf.divNoNan(tf.sub(enlarged, lowest), range);
      const isConstant = tf.equal(tf.squeeze(range), 0);
      const masked = scores(network.run(tf.mul(x, masks), {}));
      weights = tf.softmax(tf.where(isConstant, tf.fill([maps], Number.NEGATIVE_INFINITY), masked));
    }
    return tf.sum(tf.mul(activations, weights), 3).dataSync() as Float32Array;
  });
}

/** Mean of ∂Y_c/∂x over the inputs, [C, H, W]: TensorFlow's [1, H, W, C] in the order of the oracle. */
function inputGradient(
  network: TfjsVgg,
  inputs: readonly Tensor[],
  classIndex: number,
  scoreName: ScoreName = 'exp',
): Float32Array {
  return tf.tidy(() => {
    const score = (x: tf.Tensor) => scoreOf(scoreName, network.run(x, {}), classIndex);
    const gradients = inputs.map((input) => tf.grad(score)(toTfjs(input)));
    return tf.transpose(tf.squeeze(tf.div(tf.addN(gradients), inputs.length)), [2, 0, 1]).dataSync() as Float32Array;
  });
}

/** Zeros on both sides would prove nothing. */
function assertMaps(model: Model, { data, shape }: HeatMaps, expected: ArrayLike<number>, what: string): void {
  assert(
    Array.prototype.some.call(expected, (value: number) => value !== 0),
    `${what} is zero`,
  );
  assertClose(data, expected, { what, tolerance: mapTolerance(model), shape });
}

/**
 * The seeds of the noise keep cells away from the pole of α, next to which float32 has no four digits. Three channels keep them
 * from being equal for lack of any input but biases: which of those max-pooling takes depends on how a kernel rounds.
 */
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
    {
      vgg: smallVgg({ name: 'vgg16', head: 'gap', seed: 35, channels: 3, classes: 7 }),
      seed: 5,
      layers: ['block3_conv1', 'block4_pool', 'cam_conv'],
    },
  ]) {
    const title = vgg.head === 'classifier' ? vgg.name : `${vgg.name}-${vgg.head}`;
    gpuTest(`${title}: logits and the maps of every method`, async (gpu) => {
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
              : signedMap(options.method as MethodName, clean, differentiated);
          assertMaps(model, result.signed, expected, what);
        }
      }
    });

    gpuTest(`${title}: the gradient at the input, of the picture and of noisy copies`, async (gpu) => {
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

    gpuTest(`${title}: the maps of masked copies, and guided Grad-CAM`, async (gpu) => {
      using model = await loadSmallVgg(gpu, vgg, 'keras');
      const network = new TfjsVgg(vgg);
      const guided = new TfjsVgg(vgg, reluThatPassesPositive({ whereActive: true }));
      const input = referenceInput(vgg, 'keras', PICTURE);
      const { logits } = pass(network, input, layers[0]!);
      const classIndex = logits.indexOf(Math.max(...logits));
      for (const layerName of layers.slice(-2)) {
        for (const method of ['score-cam', 'ablation-cam'] as const) {
          const result = await explain(model, PICTURE, { method, layerName, classIndex });
          const expected = maskedMap(method, network, input, layerName, classIndex);
          assertMaps(model, result.signed, expected, `${method} of ${layerName}`);
        }
        const result = await explain(model, PICTURE, { method: 'guided-grad-cam', layerName, classIndex });
        const clean = pass(network, input, layerName, classIndex);
        const heat = enlarge(signedMap('grad-cam', clean, [clean]), clean.shape, input.shape.slice(1));
        const expected = inputGradient(guided, [input], classIndex).map((g, i) => g * heat[i % heat.length]!);
        assertMaps(model, result.signed, expected, `guided-grad-cam of ${layerName}`);
      }
    });

    gpuTest(`${title}: the gradient of every score`, async (gpu) => {
      // Logits of a size that leaves each class some probability.
      const { dense } = vgg;
      const [last] = dense.slice(-1);
      const times = (factor: number, { shape, data }: Tensor) => ({ shape, data: data.map((value) => factor * value) });
      const even = { ...last!, weights: times(0.02, last!.weights), bias: times(0.02, last!.bias) };
      const calm: SmallVgg = { ...vgg, dense: [...dense.slice(0, -1), even] };
      using model = await loadSmallVgg(gpu, calm, 'keras');
      const network = new TfjsVgg(calm);
      const input = referenceInput(calm, 'keras', PICTURE);
      const classIndex = 4;
      const layerName = layers[1]!;
      for (const score of SCORES) {
        const atLayer = pass(network, input, layerName, classIndex, score);
        for (const method of ['grad-cam', 'hires-cam', 'xgrad-cam', 'layer-cam'] as const) {
          const result = await explain(model, PICTURE, { method, layerName, classIndex, score });
          const expected = signedMap(method, atLayer, [atLayer]);
          assertMaps(model, result.signed, expected, `${method}, ${score}`);
        }
        const result = await explain(model, PICTURE, { method: 'gradient', classIndex, score });
        const expected = inputGradient(network, [input], classIndex, score);
        assertMaps(model, result.signed, expected, `gradient, ${score}`);
      }
    });
  }
});
