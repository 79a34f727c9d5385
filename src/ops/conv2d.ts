/**
 * Convolution, batched over samples: forward with bias and ReLU, and the exact gradient with respect to the input.
 * Tensors are float32 [samples, channels, height, width].
 */

import rectifyLib from '../../shaders/lib/rectify.wgsl?raw';
import tiledSource from '../../shaders/ops/conv2d.3x3.wgsl?raw';
import gradInputSource from '../../shaders/ops/conv2d.grad-input.wgsl?raw';
import transposeSource from '../../shaders/ops/conv2d.transpose-weights.wgsl?raw';
import generalSource from '../../shaders/ops/conv2d.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source, WORKGROUP_SIZE } from './common.ts';

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

const GENERAL = source('conv2d', generalSource, { libs: [rectifyLib], flags: { RELU: false } });
const TILED = source('conv2d.3x3', tiledSource, {
  libs: [rectifyLib],
  flags: { SUBGROUPS: false, SUBGROUP_4: false, BIAS: false, RELU: false },
});
const GRAD_INPUT = source('conv2d.grad-input', gradInputSource);
const TRANSPOSE = source('conv2d.transpose-weights', transposeSource);

/** Height and width of the output. */
export function conv2dOutput({ height, width, kernel, stride, padding }: Conv2dShape): {
  height: number;
  width: number;
} {
  const side = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
  return { height: side(height), width: side(width) };
}

/** Multiply-adds of one sample, counted as two operations each. */
function conv2dFlops(shape: Conv2dShape): number {
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

/** The shape whose packed weights serve the backward pass: input and output change places. */
export function transposedShape(shape: Conv2dShape): Conv2dShape {
  return { ...shape, inChannels: shape.outChannels, outChannels: shape.inChannels };
}

/** y = conv(x, weights) + bias, then ReLU if asked. `bias` holds outChannels values. */
export function conv2d(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { x, weights, bias, y, relu = false }: Conv2dBuffers & { bias: BufferSlice; relu?: boolean },
): Dispatch {
  if (isTiled(shape)) return tiled(traits, shape, samples, { x, weights, bias, y }, relu);
  const out = conv2dOutput(shape);
  const tiles = samples * out.height * Math.ceil(out.width / 4);
  return {
    kernel: kernel(GENERAL, { flags: { RELU: relu } }),
    bindings: { x, weights, bias, y },
    uniforms: uniforms(shape, samples),
    workgroups: Math.ceil(tiles / WORKGROUP_SIZE) * Math.ceil(shape.outChannels / CHANNEL_BLOCK),
    flops: samples * conv2dFlops(shape),
  };
}

export interface Conv2dBuffers {
  readonly x: BufferSlice;
  /** Packed as packedIndex says. */
  readonly weights: BufferSlice;
  readonly y: BufferSlice;
}

/** grad_x = the transposed convolution of grad_y. `weights` are those that transposeWeights made. */
export function conv2dGradInput(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { gradY, weights, gradX }: { gradY: BufferSlice; weights: BufferSlice; gradX: BufferSlice },
): Dispatch {
  if (isTiled(shape)) return tiled(traits, transposedShape(shape), samples, { x: gradY, weights, y: gradX }, false);
  const tiles = samples * shape.height * Math.ceil(shape.width / 4);
  return {
    kernel: kernel(GRAD_INPUT),
    bindings: { grad_y: gradY, weights, grad_x: gradX },
    uniforms: uniforms(shape, samples),
    workgroups: Math.ceil(tiles / WORKGROUP_SIZE) * Math.ceil(shape.inChannels / CHANNEL_BLOCK),
    flops: samples * conv2dFlops(shape),
  };
}

/** Packed weights of the backward pass from those of the forward pass; holds packedLength(transposedShape(shape)). */
export function transposeWeights(
  shape: Conv2dShape,
  { weights, transposed }: { weights: BufferSlice; transposed: BufferSlice },
): Dispatch {
  return {
    kernel: kernel(TRANSPOSE),
    bindings: { weights, transposed },
    uniforms: { in_channels: shape.inChannels, out_channels: shape.outChannels, taps: shape.kernel ** 2 },
    workgroups: Math.ceil(packedLength(transposedShape(shape)) / WORKGROUP_SIZE),
    flops: packedLength(transposedShape(shape)) * MEMORY_FLOPS,
  };
}

function isTiled({ kernel, stride, padding }: Conv2dShape): boolean {
  return kernel === 3 && stride === 1 && padding === 1;
}

function tiled(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { x, weights, bias, y }: Conv2dBuffers & { bias?: BufferSlice },
  relu: boolean,
): Dispatch {
  // Sharing weights between lanes doubles the speed of CPU adapters, whose subgroups are 4 or 8 lanes wide.
  const SUBGROUP_4 = traits.subgroupSize === 4;
  const SUBGROUPS = SUBGROUP_4 || traits.subgroupSize === 8;
  const [tile, channels] = SUBGROUPS ? [2, 8] : [4, 4];
  const tiles = samples * Math.ceil(shape.height / tile) * Math.ceil(shape.width / tile);
  return {
    kernel: kernel(TILED, {
      flags: { SUBGROUPS, SUBGROUP_4, BIAS: bias !== undefined, RELU: relu },
    }),
    bindings: bias ? { x, weights, bias, y } : { x, weights, y },
    uniforms: {
      samples,
      in_channels: shape.inChannels,
      out_channels: shape.outChannels,
      height: shape.height,
      width: shape.width,
    },
    workgroups: Math.ceil(tiles / WORKGROUP_SIZE) * Math.ceil(shape.outChannels / channels),
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
