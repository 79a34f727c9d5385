/**
 * The task that this library and its peers are given: one picture, one set of random weights, the same noisy copies, one
 * class and one layer.
 */
import type { BufferSlice } from '../src/gpu/buffers.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { fitPicture } from '../src/image/fit.ts';
import { elementsOf, Graph, type NetworkTable } from '../src/network/graph.ts';
import { vgg } from '../src/network/vgg.ts';
import { inputRange, noise } from '../src/ops/noise.ts';
import { preprocess, preprocessRowFloats, resizeRows } from '../src/ops/preprocess.ts';
import { drawScene } from '../src/scenes/scene.ts';

export interface NetworkSize {
  /** As in vgg(): multiplies the channels. */
  readonly width: number;
  readonly inputSize: number;
}

export const FULL_SIZE: NetworkSize = { width: 1, inputSize: 224 };

/**
 * 'classifier': VGG's three fully connected layers. 'linear': one small layer in their place, behind which the gradient
 * with respect to the last pool is the same for every sample; what remains is the convolutions' part of the work.
 */
export type Head = 'classifier' | 'linear';

export interface Problem {
  readonly table: NetworkTable;
  readonly graph: Graph;
  readonly head: Head;
  readonly layer: string;
  /** n noisy copies. */
  readonly samples: number;
  readonly stdDev: number;
  readonly noiseSeed: number;
  readonly classIndex: number;
}

const WEIGHTS_SEED = 0;
const LINEAR_CLASSES = 16;
export const PICTURE = drawScene(1);

export function makeProblem(size: NetworkSize, task: { head: Head; layer: string; samples: number }): Problem {
  const table = networkTable(size, task.head);
  return { ...task, table, graph: new Graph(table), stdDev: 0.15, noiseSeed: 1, classIndex: 3 };
}

export async function problemWeights({ graph }: Pick<Problem, 'graph'>) {
  // As the library does: imported in both ways it would be bundled in one, with a warning.
  const { randomWeights } = await import('../src/network/random.ts');
  return randomWeights(graph, WEIGHTS_SEED);
}

function networkTable({ width, inputSize }: NetworkSize, head: Head): NetworkTable {
  const table = vgg('vgg16', { width, inputSize });
  if (head === 'classifier') return table;
  const flatten = table.nodes.findIndex(({ op }) => op === 'flatten');
  return {
    ...table,
    name: 'vgg16 with a linear classifier',
    nodes: [
      ...table.nodes.slice(0, flatten + 1),
      { name: 'predictions', op: 'dense', inputs: ['flatten'], units: LINEAR_CLASSES, activation: 'none' },
      { name: 'softmax', op: 'softmax', inputs: ['predictions'] },
    ],
  };
}

/** Bytes of the largest matrix of the fully connected layers, which a peer binds in one piece. */
export function largestMatrixBytes({ graph }: Pick<Problem, 'graph'>): number {
  const sizes = graph.nodes.map((node) =>
    node.op === 'dense' ? 4 * node.units * elementsOf(graph.shape(node.inputs[0]!)) : 0,
  );
  return Math.max(...sizes);
}

export interface WeightArray {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** The weights whole, by their names in Keras's layout: 'block1_conv1/kernel'. */
export async function weightArrays(problem: Problem): Promise<Map<string, WeightArray>> {
  const arrays = new Map<string, WeightArray>();
  for await (const { tensor, offset, values } of (await problemWeights(problem)).stream()) {
    const { name, shape } = tensor;
    if (!arrays.has(name)) {
      arrays.set(name, { shape, values: new Float32Array(shape.reduce((product, n) => product * n, 1)) });
    }
    arrays.get(name)!.values.set(values, offset);
  }
  return arrays;
}

/** What goes into the network, [rows, C, H, W]. */
export interface Inputs {
  readonly noisy: Float32Array;
  readonly clean: Float32Array;
  /** [C, H, W] of one row. */
  readonly shape: readonly [channels: number, height: number, width: number];
}

/** The network's inputs as this library makes them, so that its peers see the same noise and need not make their own. */
export async function makeInputs(gpu: Gpu, problem: Problem): Promise<Inputs> {
  const { graph, samples, table, stdDev, noiseSeed } = problem;
  const { shape } = graph.input;
  const elements = elementsOf(shape);
  const fit = fitPicture('squash', PICTURE, { height: shape[1], width: shape[2] });
  const made: GPUBuffer[] = [];
  const words = (count: number): BufferSlice => {
    const buffer = gpu.createBuffer('bench input', 4 * count);
    made.push(buffer);
    return { buffer, size: 4 * count };
  };
  try {
    const pixels = words(PICTURE.width * PICTURE.height);
    const rows = words(preprocessRowFloats(fit));
    const [x, range, y] = [words(elements), words(2), words((samples + 1) * elements)];
    gpu.write(pixels.buffer, PICTURE.data);
    await gpu.run([
      resizeRows(fit, { firstRow: 0, rows: PICTURE.height }, { pixels, rows }),
      preprocess(fit, table.preprocessing.keras, { rows, input: x }),
      inputRange(elements, { x, range }),
      noise(
        elements,
        { seed: noiseSeed, stdDev, relative: true },
        { firstSample: 0, noisy: samples, clean: 1 },
        { x, range, y },
      ),
    ]);
    const all = await gpu.readFloats(y);
    return { noisy: all.subarray(0, samples * elements), clean: all.slice(samples * elements), shape };
  } finally {
    for (const buffer of made) gpu.pool.destroy(buffer);
  }
}

/**
 * How feature maps are weighted: W = Σ α ReLU(D1) with α = D2 / (2 D2 + G D3), which is the task, or, to compare by, with
 * |G D3| in the place of G D3, so that α has no pole.
 */
export type Formula = 'smooth-grad-cam++' | 'without-pole';

/** A program that solves the problem. */
export interface Explainer {
  /**
   * From the inputs to the heat map [H, W], read back, with the first `samples` of the noisy copies.
   *
   * @param formula by default the task's
   */
  explain(samples: number, formula?: Formula): Promise<Float32Array>;
  dispose(): void;
}
