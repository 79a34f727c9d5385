/** The same task in jax-js on WebGPU: two compiled functions, forward to the layer, and the gradient from there. */
import type * as Jax from '@jax-js/jax';
import { elementsOf, type FeatureShape, type GraphNode } from '../../src/network/graph.ts';
import { type Explainer, type Formula, type Inputs, type Problem, type WeightArray, weightArrays } from '../problem.ts';

type Values = Jax.numpy.Array;
/** jax-js gives an array away with every use; `.ref` keeps it. */
type Weights = Record<string, Values>;

export class JaxExplainer implements Explainer {
  /** Samples in one pass; the caller chooses what is quickest. */
  batch = 1;
  readonly #jax: typeof Jax;
  readonly #problem: Problem;
  readonly #weights: Weights;
  readonly #inputs: Inputs;
  readonly #forward: (x: Values, weights: Weights) => Values;
  readonly #gradient: (activations: Values, weights: Weights) => Values;
  readonly #addMoments: (gradients: Values, sums: Values) => Values;
  readonly #maps: Readonly<Record<Formula, (sums: Values, samples: Values, activations: Values) => Values>>;

  private constructor(jax: typeof Jax, problem: Problem, weights: Weights, inputs: Inputs) {
    this.#jax = jax;
    this.#problem = problem;
    this.#weights = weights;
    this.#inputs = inputs;
    const { numpy: np } = jax;
    const { graph, layer, classIndex } = problem;
    const [classes] = graph.shape(graph.logits.name);
    const end = graph.nodes.findIndex(({ name }) => name === layer);
    const before = graph.nodes.slice(1, end + 1);
    const behind = graph.after(layer).filter(({ op }) => op !== 'softmax');
    this.#forward = jax.jit((x: Values, own: Weights) => this.#apply(before, x, own));
    const score = (activations: Values, own: Weights) => {
      const logits = this.#apply(behind, activations, own);
      // Not logits.slice([], classIndex): of that, 0.1.25 gives a wrong gradient inside jit().
      return np.sum(logits.mul(jax.nn.oneHot(np.array([classIndex], { dtype: np.int32 }), classes)));
    };
    this.#gradient = jax.jit(jax.grad(score));
    // [3, maps, H, W]: sums of g, g² and g³.
    this.#addMoments = jax.jit((g: Values, sums: Values) => {
      const square = g.ref.mul(g.ref);
      const cube = square.ref.mul(g.ref);
      return sums.add(np.sum(np.stack([g, square, cube]), 1));
    });
    // L = ReLU(Σ W A), W = Σ α ReLU(D1), α zero where its denominator is not above zero.
    const mapBy = (formula: Formula) =>
      jax.jit((sums: Values, samples: Values, activations: Values) => {
        const d = sums.div(samples);
        const [d1, d2, d3] = [d.ref.slice(0), d.ref.slice(1), d.slice(2)];
        const a = activations.slice(0);
        const cubes = np.sum(a.ref, [1, 2], { keepdims: true }).mul(d3);
        const denominator = d2.ref.mul(2).add(formula === 'without-pole' ? np.abs(cubes) : cubes);
        const positive = np.greater(denominator.ref, 0);
        const alpha = np.where(positive.ref, d2.div(np.where(positive, denominator, 1)), 0);
        const mapWeights = np.sum(alpha.mul(jax.nn.relu(d1)), [1, 2], { keepdims: true });
        return jax.nn.relu(np.sum(a.mul(mapWeights), 0));
      });
    this.#maps = { 'smooth-grad-cam++': mapBy('smooth-grad-cam++'), 'without-pole': mapBy('without-pole') };
  }

  static async create(jax: typeof Jax, problem: Problem, inputs: Inputs): Promise<JaxExplainer> {
    const weights: Weights = {};
    for (const [name, array] of await weightArrays(problem)) {
      weights[name] = await realized(jax, toJaxLayout(problem, name, array));
    }
    return new JaxExplainer(jax, problem, weights, inputs);
  }

  async explain(samples: number, formula: Formula = 'smooth-grad-cam++'): Promise<Float32Array> {
    const { numpy: np } = this.#jax;
    const { graph, layer } = this.#problem;
    let sums = np.zeros([3, ...graph.shape(layer)]);
    for (let first = 0; first < samples; first += this.batch) {
      const rows = Math.min(this.batch, samples - first);
      const activations = this.#forward(this.#upload(this.#inputs.noisy, first, rows), this.#lend());
      const gradients = this.#gradient(activations, this.#lend());
      sums = await this.#addMoments(gradients, sums).blockUntilReady();
    }
    const activations = this.#forward(this.#upload(this.#inputs.clean, 0, 1), this.#lend());
    return (await this.#maps[formula](sums, np.array(samples), activations).data()) as Float32Array;
  }

  dispose(): void {
    for (const array of Object.values(this.#weights)) array.dispose();
  }

  #upload(values: Float32Array, first: number, rows: number): Values {
    const { shape } = this.#inputs;
    const elements = elementsOf(shape);
    const own = values.slice(first * elements, (first + rows) * elements);
    return this.#jax.numpy.array(own).reshape([rows, ...shape]);
  }

  /** The weights, for one call to take. */
  #lend(): Weights {
    return Object.fromEntries(Object.entries(this.#weights).map(([name, array]) => [name, array.ref]));
  }

  /** Takes `x` and all of `weights`, of which each layer uses its own. */
  #apply(nodes: readonly GraphNode[], x: Values, weights: Weights): Values {
    const { lax, nn, numpy: np } = this.#jax;
    const used = new Set<string>();
    const take = (name: string) => {
      used.add(name);
      return weights[name]!;
    };
    const y = nodes.reduce((at, node) => {
      switch (node.op) {
        case 'conv2d': {
          const pad: [number, number] = [node.padding, node.padding];
          const sums = lax.conv(at, take(`${node.name}/kernel`), [node.stride, node.stride], [pad, pad]);
          return activate(nn, node.activation, sums.add(take(`${node.name}/bias`).reshape([1, -1, 1, 1])));
        }
        case 'maxpool':
          return firstOfLargest(np, at);
        case 'flatten':
          return at.reshape([at.shape[0]!, -1]);
        case 'dense': {
          const sums = np.matmul(at, take(`${node.name}/kernel`)).add(take(`${node.name}/bias`));
          return activate(nn, node.activation, sums);
        }
        default:
          throw new Error(`${node.op} is not part of the task`);
      }
    }, x);
    for (const [name, array] of Object.entries(weights)) if (!used.has(name)) array.dispose();
    return y;
  }
}

function activate(nn: typeof Jax.nn, activation: 'relu' | 'none', x: Values): Values {
  return activation === 'relu' ? nn.relu(x) : x;
}

/**
 * Max-pooling 2×2 by 2, whose gradient goes to the first of equal values. The gradient of reduceWindow() with max goes to
 * all of them, which is another map: behind a ReLU many windows hold nothing but zeros.
 */
function firstOfLargest(np: typeof Jax.numpy, x: Values): Values {
  const [samples, channels, height, width] = x.shape as [number, number, number, number];
  const larger = (a: Values, b: Values) => np.where(np.greaterEqual(a.ref, b.ref), a, b);
  const windows = x.reshape([samples, channels, height / 2, 2, width / 2, 2]);
  const at = (row: number, column: number) => windows.ref.slice([], [], [], row, [], column);
  const pooled = larger(larger(at(0, 0), at(0, 1)), larger(at(1, 0), at(1, 1)));
  windows.dispose();
  return pooled;
}

/** Kernels [rows, columns, in, out] to [out, in, rows, columns]; matrices' rows in the order of C, H, W. */
function toJaxLayout({ graph }: Problem, name: string, { shape, values }: WeightArray): WeightArray {
  const [layer, part] = name.split('/') as [string, string];
  const node = graph.node(layer);
  if (part !== 'kernel') return { shape, values };
  if (node.op === 'conv2d') {
    const [rows, columns, inputs, outputs] = shape as [number, number, number, number];
    const moved = new Float32Array(values.length);
    for (let at = 0, tap = 0; tap < rows * columns; tap++) {
      for (let i = 0; i < inputs; i++) {
        for (let o = 0; o < outputs; o++) moved[(o * inputs + i) * rows * columns + tap] = values[at++]!;
      }
    }
    return { shape: [outputs, inputs, rows, columns], values: moved };
  }
  const input = graph.node(node.inputs[0]!);
  if (input.op !== 'flatten') return { shape, values };
  const [channels, height, width] = graph.shape(input.inputs[0]!) as FeatureShape;
  const columns = shape[1]!;
  const moved = new Float32Array(values.length);
  for (let cell = 0; cell < height * width; cell++) {
    for (let channel = 0; channel < channels; channel++) {
      const row = values.subarray((cell * channels + channel) * columns, (cell * channels + channel + 1) * columns);
      moved.set(row, (channel * height * width + cell) * columns);
    }
  }
  return { shape, values: moved };
}

/** On the GPU, and no longer a pending reshape. */
async function realized({ numpy: np }: typeof Jax, { shape, values }: WeightArray): Promise<Values> {
  return np
    .array(values as Float32Array<ArrayBuffer>)
    .reshape([...shape])
    .blockUntilReady();
}
