/** The same task in TensorFlow.js on its WebGPU backend, written with its own operations as its users would. */
import type * as Tf from '@tensorflow/tfjs';
import { Gpu } from '../../src/gpu/gpu.ts';
import type { Graph, GraphNode } from '../../src/network/graph.ts';
import { type Explainer, type Formula, type Inputs, type Problem, type WeightArray, weightArrays } from '../problem.ts';

interface Layer {
  readonly kernel: Tf.Tensor;
  readonly bias: Tf.Tensor1D;
}

/** D1, D2 and D3 summed over samples, [H, W, maps]. */
type Moments = [Tf.Tensor, Tf.Tensor, Tf.Tensor];

export class TfjsExplainer implements Explainer {
  /** Samples in one pass; the caller chooses what is quickest. */
  batch = 1;
  readonly #tf: typeof Tf;
  /** The backend's device, watched by error scopes: tfjs itself lets refused commands pass, with zeros as result. */
  readonly #watched: Gpu;
  readonly #problem: Problem;
  readonly #layers: ReadonlyMap<string, Layer>;
  readonly #noisy: Tf.Tensor4D;
  readonly #clean: Tf.Tensor4D;

  private constructor(
    tf: typeof Tf,
    watched: Gpu,
    problem: Problem,
    layers: ReadonlyMap<string, Layer>,
    inputs: [noisy: Tf.Tensor4D, clean: Tf.Tensor4D],
  ) {
    this.#tf = tf;
    this.#watched = watched;
    this.#problem = problem;
    this.#layers = layers;
    [this.#noisy, this.#clean] = inputs;
  }

  static async create(tf: typeof Tf, problem: Problem, inputs: Inputs): Promise<TfjsExplainer> {
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    const layers = layersOf(tf, problem.graph, await weightArrays(problem));
    const [channels, height, width] = inputs.shape;
    const elements = channels * height * width;
    // tfjs keeps channels last.
    const upload = (values: Float32Array) =>
      tf.tidy(() => {
        const shape: [number, number, number, number] = [values.length / elements, channels, height, width];
        return tf.transpose(tf.tensor4d(values, shape), [0, 2, 3, 1]);
      });
    const tensors: [Tf.Tensor4D, Tf.Tensor4D] = [upload(inputs.noisy), upload(inputs.clean)];
    return new TfjsExplainer(tf, Gpu.fromDevice(device), problem, layers, tensors);
  }

  /** Whether gradients of convolutions go through its naive kernel (its default) or its matrix multiplication. */
  useNaiveTranspose(naive: boolean): void {
    this.#tf.env().set('WEBGPU_USE_NAIVE_CONV2D_TRANSPOSE', naive);
  }

  get adapterInfo(): Gpu['adapterInfo'] {
    return this.#watched.adapterInfo;
  }

  explain(samples: number, formula: Formula = 'smooth-grad-cam++'): Promise<Float32Array> {
    const tf = this.#tf;
    return this.#watched.guard(async () => {
      let moments: Moments | undefined;
      for (let first = 0; first < samples; first += this.batch) {
        const rows = Math.min(this.batch, samples - first);
        const added: Moments = tf.tidy(() => this.#addMoments(this.#gradients(first, rows), moments));
        tf.dispose(moments ?? []);
        moments = added;
      }
      const map = tf.tidy(() => this.#map(moments!, samples, formula));
      tf.dispose(moments!);
      const values = (await map.data()) as Float32Array;
      map.dispose();
      return values;
    });
  }

  dispose(): void {
    this.#tf.dispose([this.#noisy, this.#clean]);
    for (const { kernel, bias } of this.#layers.values()) this.#tf.dispose([kernel, bias]);
  }

  /** Of the class's logit with respect to the layer, [rows, H, W, maps]. */
  #gradients(first: number, rows: number): Tf.Tensor {
    const tf = this.#tf;
    const { graph, layer, classIndex } = this.#problem;
    const x = tf.slice(this.#noisy, [first, 0, 0, 0], [rows, -1, -1, -1]);
    // Outside of the gradient's tape, where convolutions stay fused with bias and ReLU.
    const activations = this.#forward(x);
    const behind = graph.after(layer).filter(({ op }) => op !== 'softmax');
    const score = (a: Tf.Tensor) => {
      const logits = behind.reduce((y: Tf.Tensor, node) => this.#apply(node, y), a);
      return tf.sum(tf.slice(logits, [0, classIndex], [rows, 1])) as Tf.Scalar;
    };
    return tf.grad(score)(activations);
  }

  #addMoments(gradients: Tf.Tensor, sums: Moments | undefined): Moments {
    const tf = this.#tf;
    const squares = tf.square(gradients);
    const own = [gradients, squares, tf.mul(squares, gradients)].map((power) => tf.sum(power, 0));
    return own.map((sum, i) => (sums ? tf.add(sums[i]!, sum) : sum)) as Moments;
  }

  /** L = ReLU(Σ W A), W = Σ α ReLU(D1), α zero where its denominator is not above zero. */
  #map(sums: Moments, samples: number, formula: Formula): Tf.Tensor {
    const tf = this.#tf;
    const [d1, d2, d3] = sums.map((sum) => tf.div(sum, samples)) as Moments;
    const activations = tf.squeeze(this.#forward(this.#clean), [0]);
    const mapSums = tf.sum(activations, [0, 1]);
    const cubes = tf.mul(mapSums, d3);
    const denominator = tf.add(tf.mul(d2, 2), formula === 'without-pole' ? tf.abs(cubes) : cubes);
    const positive = tf.greater(denominator, 0);
    const alpha = tf.where(positive, tf.div(d2, tf.where(positive, denominator, tf.onesLike(denominator))), 0);
    const weights = tf.sum(tf.mul(alpha, tf.relu(d1)), [0, 1]);
    return tf.relu(tf.sum(tf.mul(activations, weights), -1));
  }

  /** From the input to the layer; nothing is kept but the last. */
  #forward(input: Tf.Tensor4D): Tf.Tensor {
    const { graph, layer } = this.#problem;
    const end = graph.nodes.findIndex(({ name }) => name === layer);
    return graph.nodes.slice(1, end + 1).reduce((x: Tf.Tensor, node) => {
      const y = this.#apply(node, x);
      if (x !== input) x.dispose();
      return y;
    }, input);
  }

  #apply(node: GraphNode, x: Tf.Tensor): Tf.Tensor {
    const tf = this.#tf;
    switch (node.op) {
      case 'conv2d': {
        const { kernel, bias } = this.#layers.get(node.name)!;
        return tf.fused.conv2d({
          x: x as Tf.Tensor4D,
          filter: kernel as Tf.Tensor4D,
          strides: node.stride,
          pad: node.padding,
          bias,
          // tfjs takes it apart again by itself where a gradient is asked for.
          ...activationOf(node),
        });
      }
      case 'maxpool':
        return tf.maxPool(x as Tf.Tensor4D, node.kernel, node.stride, 'valid');
      case 'flatten':
        return tf.reshape(x, [x.shape[0]!, -1]);
      case 'dense': {
        const { kernel, bias } = this.#layers.get(node.name)!;
        return tf.fused.matMul({ a: x as Tf.Tensor2D, b: kernel as Tf.Tensor2D, bias, ...activationOf(node) });
      }
      default:
        throw new Error(`${node.op} is not part of the task`);
    }
  }
}

function activationOf({ activation }: { activation: 'relu' | 'none' }): { activation?: 'relu' } {
  return activation === 'relu' ? { activation } : {};
}

function layersOf(tf: typeof Tf, graph: Graph, weights: ReadonlyMap<string, WeightArray>): Map<string, Layer> {
  const tensor = (name: string) => {
    const { shape, values } = weights.get(name)!;
    return tf.tensor(values, [...shape]);
  };
  return new Map(
    graph.nodes
      .filter(({ op }) => op === 'conv2d' || op === 'dense')
      .map(({ name }) => [name, { kernel: tensor(`${name}/kernel`), bias: tensor(`${name}/bias`) as Tf.Tensor1D }]),
  );
}
