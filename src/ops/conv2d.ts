/**
 * Convolution, batched over samples: forward with bias, ReLU, max-pooling and the bits that its gradient will need, and
 * the exact gradient with respect to the input. Tensors are float32 [samples, channels, height, width].
 */
import conv3x3Lib from '../../shaders/lib/conv-3x3.wgsl?raw';
import packedWeightsLib from '../../shaders/lib/packed-weights.wgsl?raw';
import rectifyLib from '../../shaders/lib/rectify.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { type KernelSource, kernel } from '../gpu/kernel.ts';
import type { Precision } from '../precision.ts';
import { MEMORY_FLOPS, source, WORKGROUP_SIZE } from './common.ts';
import { type Conv2dOutput, OUTPUT_FLAGS, OUTPUT_LIBS, outputVariant } from './conv2d.output.ts';

const broadcastSource = () => import('../../shaders/ops/conv2d.broadcast.wgsl?raw');
const gradInputSource = () => import('../../shaders/ops/conv2d.grad-input.wgsl?raw');
const registerTileSource = () => import('../../shaders/ops/conv2d.register-tile.wgsl?raw');
const generalSource = () => import('../../shaders/ops/conv2d.wgsl?raw');
const transposeSource = () => import('../../shaders/ops/conv2d.transpose-weights.wgsl?raw');

export interface Conv2dShape {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Of the input. */
  readonly height: number;
  readonly width: number;
  /** Side of the square kernel. */
  readonly kernel: number;
  readonly stride: number;
  /** Zeros on each side. */
  readonly padding: number;
}

/** Output channels that stand together in packed weights. */
export const CHANNEL_BLOCK = 8;

/** Library and flag of a kernel that reads packed weights. */
export const WEIGHTS_LIB = packedWeightsLib;
export const WEIGHTS_FLAGS = { FLOAT16: false };

const GENERAL = source('conv2d', generalSource, {
  libs: [rectifyLib, WEIGHTS_LIB],
  flags: { RELU: false, ...WEIGHTS_FLAGS },
});
const REGISTER_TILE = source('conv2d.register-tile', registerTileSource, {
  libs: [conv3x3Lib, WEIGHTS_LIB, ...OUTPUT_LIBS],
  flags: { ...OUTPUT_FLAGS, ...WEIGHTS_FLAGS },
});
const BROADCAST = source('conv2d.broadcast', broadcastSource, {
  libs: [conv3x3Lib, WEIGHTS_LIB, ...OUTPUT_LIBS],
  flags: { ...OUTPUT_FLAGS, ...WEIGHTS_FLAGS, SUBGROUP_4: false },
});
const GRAD_INPUT = source('conv2d.grad-input', gradInputSource, { libs: [WEIGHTS_LIB], flags: WEIGHTS_FLAGS });
const TRANSPOSE = source('conv2d.transpose-weights', transposeSource, { flags: WEIGHTS_FLAGS });

/** The direct kernel of such an adapter, where finishesOutputs(). */
export function directSource(traits: KernelTraits): KernelSource {
  return broadcasts(traits) ? BROADCAST : REGISTER_TILE;
}

/** Sharing weights between lanes doubles the speed of CPU adapters, whose subgroups are 4 or 8 lanes wide. */
function broadcasts({ subgroupSize }: KernelTraits): boolean {
  return subgroupSize === 4 || subgroupSize === 8;
}

/** Height and width of the output. */
export function conv2dOutput({ height, width, kernel, stride, padding }: Conv2dShape): {
  height: number;
  width: number;
} {
  const side = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
  return { height: side(height), width: side(width) };
}

/** Multiply-adds of one sample, counted as two operations each. */
export function conv2dFlops(shape: Conv2dShape): number {
  const out = conv2dOutput(shape);
  return 2 * shape.kernel ** 2 * shape.inChannels * shape.outChannels * out.height * out.width;
}

/** Elements of the packed weights [outChannels / 8][inChannels][kernel²][8], the last block filled up with zeros. */
export function packedLength({ inChannels, outChannels, kernel }: Conv2dShape): number {
  return Math.ceil(outChannels / CHANNEL_BLOCK) * CHANNEL_BLOCK * inChannels * kernel ** 2;
}

/** Index in the packed weights of output channel `o`, input channel `i` and tap `t` = row · kernel + column. */
export function packedIndex({ inChannels, kernel }: Conv2dShape, o: number, i: number, t: number): number {
  const block = Math.floor(o / CHANNEL_BLOCK);
  return ((block * inChannels + i) * kernel ** 2 + t) * CHANNEL_BLOCK + (o % CHANNEL_BLOCK);
}

/** Number formats of packed weights; kernels widen float16 exactly. */
export type WeightsDtype = 'float32' | 'float16';

/** How convolutions are held: whatever the file has, as batch normalisation makes other numbers of it. */
export function weightsDtype(precision: Precision): WeightsDtype {
  return precision === 'f32' ? 'float32' : 'float16';
}

/** Weights packed as packedIndex() says, float16 as its bits. */
export interface PackedWeights extends BufferSlice {
  /** Default 'float32'. */
  readonly dtype?: WeightsDtype;
  /** The greatest magnitude among them, which kernels that compute in float16 need. */
  readonly greatest?: number;
}

/** Bytes of the packed weights. */
export function weightsBytes(shape: Conv2dShape, dtype: WeightsDtype = 'float32'): number {
  return packedLength(shape) * (dtype === 'float16' ? 2 : 4);
}

/** What a kernel that reads packed weights is told of them. */
export function weightsFlags({ dtype }: PackedWeights): typeof WEIGHTS_FLAGS {
  return { FLOAT16: dtype === 'float16' };
}

/** The shape whose packed weights serve the backward pass: input and output change places. */
export function transposedShape(shape: Conv2dShape): Conv2dShape {
  return { ...shape, inChannels: shape.outChannels, outChannels: shape.inChannels };
}

/** Whether kernels of this shape can do more with their outputs than bias and ReLU: mask, pool, gate. */
export function finishesOutputs({ kernel, stride, padding }: Conv2dShape): boolean {
  return kernel === 3 && stride === 1 && padding === 1;
}

export interface Conv2dInput {
  readonly x: BufferSlice;
  readonly weights: PackedWeights;
}

export interface GradInputBuffers {
  readonly gradY: BufferSlice;
  readonly gradX: BufferSlice;
  /** As in Conv2dOutput: the mask of x's ReLU. */
  readonly gate?: BufferSlice;
  /** Stops negative gradients. */
  readonly relu?: boolean;
}

/** y = conv(x, weights) + bias, then what `Conv2dOutput` asks for, so far as finishesOutputs() allows. */
export function conv2d(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  buffers: Conv2dInput & Conv2dOutput & { bias: BufferSlice },
): Dispatch {
  if (finishesOutputs(shape)) return direct3x3(traits, shape, samples, buffers);
  const { x, weights, bias, y, relu = false } = buffers;
  const out = conv2dOutput(shape);
  const tiles = samples * out.height * Math.ceil(out.width / 4);
  return {
    kernel: kernel(GENERAL, { flags: { RELU: relu, ...weightsFlags(weights) } }),
    bindings: { x, weights, bias, y },
    uniforms: uniforms(shape, samples),
    workgroups: Math.ceil(tiles / WORKGROUP_SIZE) * Math.ceil(shape.outChannels / CHANNEL_BLOCK),
    flops: samples * conv2dFlops(shape),
  };
}

/**
 * grad_x = the transposed convolution of grad_y. `weights` are those that transposeWeights made. With a `gate` or `relu`,
 * which finishesOutputs() must allow, x was a ReLU's output, and the gradient is brought to the front of that ReLU.
 */
export function conv2dGradInput(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { gradY, weights, gradX, gate, relu }: GradInputBuffers & { weights: PackedWeights },
): Dispatch {
  if (finishesOutputs(shape)) {
    return direct3x3(traits, transposedShape(shape), samples, { x: gradY, weights, y: gradX, gate, relu });
  }
  const tiles = samples * shape.height * Math.ceil(shape.width / 4);
  return {
    kernel: kernel(GRAD_INPUT, { flags: weightsFlags(weights) }),
    bindings: { grad_y: gradY, weights, grad_x: gradX },
    uniforms: uniforms(shape, samples),
    workgroups: Math.ceil(tiles / WORKGROUP_SIZE) * Math.ceil(shape.inChannels / CHANNEL_BLOCK),
    flops: samples * conv2dFlops(shape),
  };
}

/**
 * Packed weights of the backward pass from those of the forward pass, in the same number format; holds weightsBytes() of the
 * transposedShape().
 */
export function transposeWeights(
  shape: Conv2dShape,
  { weights, transposed }: { weights: PackedWeights; transposed: BufferSlice },
): Dispatch {
  const words = weightsBytes(transposedShape(shape), weights.dtype) / 4;
  return {
    kernel: kernel(TRANSPOSE, { flags: weightsFlags(weights) }),
    bindings: { weights, transposed },
    uniforms: { in_channels: shape.inChannels, out_channels: shape.outChannels, taps: shape.kernel ** 2 },
    workgroups: Math.ceil(words / WORKGROUP_SIZE),
    flops: words * MEMORY_FLOPS,
  };
}

function direct3x3(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { x, weights, ...output }: Conv2dInput & Conv2dOutput,
): Dispatch {
  const shares = broadcasts(traits);
  const tile = shares ? 2 : 4;
  const tiles = samples * Math.ceil(shape.height / tile) * Math.ceil(shape.width / tile);
  const { flags: outputFlags, bindings } = outputVariant(output);
  const flags = { ...outputFlags, ...weightsFlags(weights) };
  return {
    kernel: shares
      ? kernel(BROADCAST, { flags: { ...flags, SUBGROUP_4: traits.subgroupSize === 4 } })
      : kernel(REGISTER_TILE, { flags }),
    bindings: { x, weights, ...bindings },
    uniforms: {
      samples,
      in_channels: shape.inChannels,
      out_channels: shape.outChannels,
      height: shape.height,
      width: shape.width,
    },
    workgroups: Math.ceil(tiles / WORKGROUP_SIZE) * Math.ceil(shape.outChannels / CHANNEL_BLOCK),
    flops: samples * conv2dFlops(shape),
  };
}

function uniforms(shape: Conv2dShape, samples: number): Record<string, number> {
  const out = conv2dOutput(shape);
  return {
    samples,
    in_channels: shape.inChannels,
    out_channels: shape.outChannels,
    height: shape.height,
    width: shape.width,
    out_height: out.height,
    out_width: out.width,
    kernel: shape.kernel,
    stride: shape.stride,
    padding: shape.padding,
  };
}
