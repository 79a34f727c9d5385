/**
 * Batch normalisation in inference is a scale and a shift per channel, which the convolution before it can take over. A module
 * of its own, that is loaded with the first network that has any.
 */
import { type Conv2dShape, packedIndex } from '../ops/conv2d.ts';
import type { WeightsFile } from '../weights/source.ts';
import type { Convention } from './graph.ts';
import { findTensor, type TensorSink } from './layer-tensors.ts';

/** torch's and Keras's ε of batch normalisation. */
const EPSILON: Record<Convention, number> = { torch: 1e-5, keras: 1e-3 };

const PARTS = ['gamma', 'beta', 'mean', 'variance'] as const;
type Part = (typeof PARTS)[number];
const SUFFIX: Record<Convention, Record<Part, readonly string[]>> = {
  keras: {
    gamma: ['/gamma', '.gamma'],
    beta: ['/beta', '.beta'],
    mean: ['/moving_mean', '.moving_mean'],
    variance: ['/moving_variance', '.moving_variance'],
  },
  torch: { gamma: ['.weight'], beta: ['.bias'], mean: ['.running_mean'], variance: ['.running_var'] },
};

/** Of one convolution. */
export class BatchNorm implements Record<Part, Float32Array> {
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly #convention: Convention;

  constructor(channels: number, convention: Convention) {
    this.gamma = new Float32Array(channels);
    this.beta = new Float32Array(channels);
    this.mean = new Float32Array(channels);
    this.variance = new Float32Array(channels);
    this.#convention = convention;
  }

  /**
   * What fills it, by the tensors' names.
   *
   * @param names that the layer may have
   */
  sinks(file: WeightsFile, names: readonly string[]): [tensor: string, sink: TensorSink][] {
    return PARTS.map((part) => [
      findTensor(file, names, SUFFIX[this.#convention][part]),
      { shapes: [[this[part].length]], write: ({ offset, values }) => this[part].set(values, offset) },
    ]);
  }

  /**
   * γ (w·x + b - μ) / √(σ² + ε) + β = (s w)·x + s (b - μ) + β with s = γ / √(σ² + ε), in place.
   *
   * @param weights packed
   */
  fold(shape: Conv2dShape, weights: Float32Array, bias: Float32Array): void {
    for (let o = 0; o < bias.length; o++) {
      const scale = this.gamma[o] / Math.sqrt(this.variance[o] + EPSILON[this.#convention]);
      for (let i = 0; i < shape.inChannels; i++) {
        for (let t = 0; t < shape.kernel ** 2; t++) weights[packedIndex(shape, o, i, t)] *= scale;
      }
      bias[o] = scale * (bias[o] - this.mean[o]) + this.beta[o];
    }
  }
}
