/** Convolutions on their way to the GPU: gathered in the layout of their kernels, with batch normalisation folded in. */
import type { BufferSlice } from '../gpu/buffers.ts';
import {
  type Conv2dShape,
  type PackedWeights,
  packedIndex,
  packedLength,
  weightsBytes,
  weightsDtype,
} from '../ops/conv2d.ts';
import { toFloat16 } from '../weights/float16.ts';
import type { Conv2dNode, Convention } from './graph.ts';
import { findTensor, kernelShapes, type LayerLoad, type TensorSink, tensorOf } from './layer-tensors.ts';
import { convShape } from './shapes.ts';
import { checkFloat16 } from './tensor-values.ts';

/** What a convolution holds on the GPU. */
export interface ConvParameters {
  readonly weights: PackedWeights;
  readonly bias: BufferSlice;
}

/** torch's and Keras's ε of batch normalisation. */
const BATCH_NORM_EPSILON: Record<Convention, number> = { torch: 1e-5, keras: 1e-3 };

/** Makes room for a layer on the GPU, and the sinks that fill it. */
export function convSinks(
  { gpu, graph, convention, precision, file, create }: LayerLoad,
  node: Conv2dNode,
): { held: ConvParameters; sinks: ReadonlyMap<string, TensorSink> } {
  const shape = convShape(graph, node);
  const { inChannels, outChannels, kernel } = shape;
  const length = kernel ** 2 * inChannels * outChannels;
  const dtype = weightsDtype(precision);
  const kernelTensor = tensorOf(file, node, convention, 'kernel');
  const held = {
    weights: { ...create(`${node.name} weights`, weightsBytes(shape, dtype)), dtype, greatest: 0 },
    bias: create(`${node.name} bias`, 4 * outChannels),
  };
  const packedAt = packedPlace(shape, convention);
  const biasValues = new Float32Array(outChannels);
  const norm = node.batchNorm ? new BatchNorm(outChannels, BATCH_NORM_EPSILON[convention]) : undefined;
  let packed: Float32Array<ArrayBuffer> | undefined;
  const upload = () => {
    if (!packed) return;
    gpu.write(held.weights.buffer, dtype === 'float16' ? new Uint32Array(toFloat16(packed).buffer) : packed);
    packed = undefined;
  };
  const finish = () => {
    if (packed && norm) {
      norm.fold(packed, biasValues, (o) => channelIndices(shape, o));
      if (dtype === 'float16') held.weights.greatest = checkFloat16(packed, file.tensors.get(kernelTensor)!);
    }
    upload();
    gpu.write(held.bias.buffer, biasValues);
  };

  const sinks = new Map<string, TensorSink>();
  sinks.set(kernelTensor, {
    shapes: kernelShapes(graph, node, convention),
    write: ({ tensor, offset, values }) => {
      if (dtype === 'float16' && !norm) {
        held.weights.greatest = Math.max(held.weights.greatest, checkFloat16(values, tensor, offset));
      }
      packed ??= new Float32Array(packedLength(shape));
      for (let i = 0; i < values.length; i++) packed[packedAt(offset + i)] = values[i];
      // Without batch normalisation the weights are final as soon as they are complete.
      if (!norm && offset + values.length === length) upload();
    },
    finish,
  });
  const biasTensor = tensorOf(file, node, convention, 'bias');
  // Convolutions in front of batch normalisation may have no bias of their own.
  if (!norm || file.tensors.has(biasTensor)) {
    sinks.set(biasTensor, {
      shapes: [[outChannels]],
      write: ({ offset, values }) => biasValues.set(values, offset),
    });
  }
  if (norm) {
    const names = node.batchNorm ?? [];
    for (const part of BATCH_NORM_PARTS) {
      sinks.set(findTensor(file, names, BATCH_NORM_SUFFIX[convention][part]), {
        shapes: [[outChannels]],
        write: ({ offset, values }) => norm[part].set(values, offset),
      });
    }
  }
  return { held, sinks };
}

/** From an element's place in the file, [kernel, kernel, in, out] in Keras, [out, in, kernel, kernel] in torch, to the packed one. */
function packedPlace(shape: Conv2dShape, convention: Convention): (element: number) => number {
  const { inChannels, outChannels, kernel } = shape;
  if (convention === 'keras') {
    return (e) => {
      const io = e % (inChannels * outChannels);
      const t = Math.floor(e / (inChannels * outChannels));
      return packedIndex(shape, io % outChannels, Math.floor(io / outChannels), t);
    };
  }
  const taps = kernel ** 2;
  return (e) => {
    const it = e % (inChannels * taps);
    return packedIndex(shape, Math.floor(e / (inChannels * taps)), Math.floor(it / taps), it % taps);
  };
}

const BATCH_NORM_PARTS = ['gamma', 'beta', 'mean', 'variance'] as const;
type BatchNormPart = (typeof BATCH_NORM_PARTS)[number];
const BATCH_NORM_SUFFIX: Record<Convention, Record<BatchNormPart, readonly string[]>> = {
  keras: {
    gamma: ['/gamma', '.gamma'],
    beta: ['/beta', '.beta'],
    mean: ['/moving_mean', '.moving_mean'],
    variance: ['/moving_variance', '.moving_variance'],
  },
  torch: { gamma: ['.weight'], beta: ['.bias'], mean: ['.running_mean'], variance: ['.running_var'] },
};

/** Batch normalisation in inference is a scale and a shift per channel, which the convolution before it can take over. */
class BatchNorm implements Record<BatchNormPart, Float32Array> {
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly #epsilon: number;

  constructor(channels: number, epsilon: number) {
    this.gamma = new Float32Array(channels);
    this.beta = new Float32Array(channels);
    this.mean = new Float32Array(channels);
    this.variance = new Float32Array(channels);
    this.#epsilon = epsilon;
  }

  /** γ (w·x + b - μ) / √(σ² + ε) + β = (s w)·x + s (b - μ) + β with s = γ / √(σ² + ε). */
  fold(weights: Float32Array, bias: Float32Array, indices: (channel: number) => Iterable<number>): void {
    for (let o = 0; o < bias.length; o++) {
      const scale = this.gamma[o] / Math.sqrt(this.variance[o] + this.#epsilon);
      for (const i of indices(o)) weights[i] *= scale;
      bias[o] = scale * (bias[o] - this.mean[o]) + this.beta[o];
    }
  }
}

function* channelIndices(shape: Conv2dShape, outChannel: number): Generator<number> {
  for (let i = 0; i < shape.inChannels; i++) {
    for (let t = 0; t < shape.kernel ** 2; t++) yield packedIndex(shape, outChannel, i, t);
  }
}
