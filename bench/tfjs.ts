/** The same convolutions in TensorFlow.js on its WebGPU backend, in this process, on the same adapter. */
import type * as Tf from '@tensorflow/tfjs';
import { globals } from 'webgpu';
import { Gpu } from '../src/gpu/gpu.ts';
import type { Conv2dNode, Graph, GraphNode } from '../src/network/graph.ts';
import type { DawnAdapter } from '../src/node/dawn.ts';
import {
  type Convolutions,
  convolutionGraph,
  convolutionWeights,
  LAST_BLOCK_INPUT,
  type Tensor,
} from './convolutions.ts';

interface Layer {
  readonly kernel: Tf.Tensor4D;
  readonly bias: Tf.Tensor1D;
}

export class TfjsConvolutions implements Convolutions {
  readonly #tf: typeof Tf;
  /** The backend's device, watched by error scopes: tfjs itself lets refused commands pass, with zeros as result. */
  readonly #watched: Gpu;
  readonly #graph: Graph;
  readonly #layers: ReadonlyMap<string, Layer>;
  /** Inputs stay on the GPU from call to call. */
  readonly #inputs = new Map<Tensor, Tf.Tensor4D>();

  private constructor(tf: typeof Tf, watched: Gpu, graph: Graph, layers: ReadonlyMap<string, Layer>) {
    this.#tf = tf;
    this.#watched = watched;
    this.#graph = graph;
    this.#layers = layers;
  }

  static async create(adapter: DawnAdapter): Promise<TfjsConvolutions> {
    const tf = await loadTfjs(adapter);
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    const graph = convolutionGraph();
    return new TfjsConvolutions(tf, Gpu.fromDevice(device), graph, await loadLayers(tf, graph));
  }

  /** Whether gradients of convolutions go through its naive kernel (its default) or its matrix multiplication. */
  useNaiveTranspose(naive: boolean): void {
    this.#tf.env().set('WEBGPU_USE_NAIVE_CONV2D_TRANSPOSE', naive);
  }

  get adapterInfo(): Gpu['adapterInfo'] {
    return this.#watched.adapterInfo;
  }

  forward(input: Tensor): Promise<Float32Array> {
    const x = this.#upload(input);
    return this.#evaluate(() => this.#apply(this.#graph.after(this.#graph.input.name), x));
  }

  lastBlockGradient(input: Tensor, gradient: Tensor): Promise<Float32Array> {
    const nodes = this.#graph.after(LAST_BLOCK_INPUT);
    const [x, dy] = [this.#upload(input), this.#upload(gradient)];
    const gradientOf = this.#tf.grad((at) => this.#apply(nodes, at as Tf.Tensor4D));
    return this.#evaluate(() => gradientOf(x, dy) as Tf.Tensor4D);
  }

  #apply(nodes: readonly GraphNode[], input: Tf.Tensor4D): Tf.Tensor4D {
    const tf = this.#tf;
    return nodes.reduce((x, node) => {
      if (node.op === 'maxpool') return tf.maxPool(x, node.kernel, node.stride, 'valid');
      const { stride: strides, padding: pad, activation } = node as Conv2dNode;
      const { kernel: filter, bias } = this.#layers.get(node.name)!;
      // Fused where it can be: tfjs takes it apart again by itself where a gradient is asked for.
      const fused = activation === 'relu' ? ({ activation } as const) : {};
      return tf.fused.conv2d({ x, filter, strides, pad, bias, ...fused });
    }, input);
  }

  #evaluate(compute: () => Tf.Tensor4D): Promise<Float32Array> {
    const tf = this.#tf;
    return this.#watched.guard(async () => {
      const y = tf.tidy(compute);
      const [samples, height, width, channels] = y.shape;
      const values = (await y.data()) as Float32Array;
      y.dispose();
      return toChannelsFirst(values, [samples, channels, height, width]);
    });
  }

  #upload(tensor: Tensor): Tf.Tensor4D {
    let uploaded = this.#inputs.get(tensor);
    if (!uploaded) {
      const [samples, channels, height, width] = tensor.shape;
      uploaded = this.#tf.tensor4d(toChannelsLast(tensor), [samples, height, width, channels]);
      this.#inputs.set(tensor, uploaded);
    }
    return uploaded;
  }
}

/** tfjs looks for navigator.gpu and for WebGPU's globals while it loads, as a browser has them. */
async function loadTfjs({ instance }: DawnAdapter): Promise<typeof Tf> {
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: instance }, configurable: true });
  const tf = await import('@tensorflow/tfjs');
  await import('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs-backend-webgpu did not start on this adapter');
  return tf;
}

async function loadLayers(tf: typeof Tf, graph: Graph): Promise<Map<string, Layer>> {
  const weights = convolutionWeights(graph);
  const values = new Map<string, Float32Array>();
  for await (const piece of weights.stream()) {
    const { name, shape } = piece.tensor;
    if (!values.has(name)) values.set(name, new Float32Array(shape.reduce((product, n) => product * n, 1)));
    values.get(name)!.set(piece.values, piece.offset);
  }
  const tensor = <Kind extends Tf.Tensor>(name: string) =>
    tf.tensor(values.get(name)!, [...weights.tensors.get(name)!.shape]) as Kind;
  return new Map(
    graph.nodes
      .filter(({ op }) => op === 'conv2d')
      .map(({ name }) => [
        name,
        { kernel: tensor<Tf.Tensor4D>(`${name}/kernel`), bias: tensor<Tf.Tensor1D>(`${name}/bias`) },
      ]),
  );
}

function toChannelsLast({ shape, data }: Tensor): Float32Array {
  const [samples, channels, height, width] = shape;
  return transpose(data, samples, channels, height * width);
}

function toChannelsFirst(data: Float32Array, [samples, channels, height, width]: Tensor['shape']): Float32Array {
  return transpose(data, samples, height * width, channels);
}

/** Swaps the last two of three axes. */
function transpose(data: Float32Array, samples: number, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let s = 0; s < samples; s++) {
    const base = s * rows * columns;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) result[base + c * rows + r] = data[base + r * columns + c]!;
    }
  }
  return result;
}
