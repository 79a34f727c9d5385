/** Max-pooling without padding; ties go to the first cell of the window in row-major order. */

import forwardSource from '../../shaders/ops/maxpool.wgsl?raw';
import { OptionError } from '../errors.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const gradInputSource = () => import('../../shaders/ops/maxpool.grad-input.wgsl?raw');

export interface MaxpoolShape {
  readonly channels: number;
  /** Of the input. */
  readonly height: number;
  readonly width: number;
  /** Side of the square window. */
  readonly kernel: number;
  readonly stride: number;
}

const FORWARD = source('maxpool', forwardSource, { flags: { CODES: false } });
const GRAD_INPUT = source('maxpool.grad-input', gradInputSource, {
  flags: { DISJOINT: false, RECTIFIED: false, POSITIVE: false },
});

/** Largest window whose winner fits a code. */
const MAX_KERNEL = 11;

export function maxpoolOutput({ height, width, kernel, stride }: MaxpoolShape): { height: number; width: number } {
  const side = (n: number) => Math.floor((n - kernel) / stride) + 1;
  return { height: side(height), width: side(width) };
}

/** Bits of one output's code: the winner's place in the window and a flag on top. */
function codeBits({ kernel }: MaxpoolShape): 4 | 8 {
  if (kernel > MAX_KERNEL) throw new OptionError('maxpool kernel', kernel, `at most ${MAX_KERNEL}`);
  return kernel ** 2 <= 8 ? 4 : 8;
}

/** Whether each cell of the input is in one window. */
export function tilesExactly({ height, width, kernel, stride }: MaxpoolShape): boolean {
  return kernel === stride && height % kernel === 0 && width % kernel === 0;
}

/** 32-bit words of the codes of one sample: those of neighbouring channels share a word. */
export function maxpoolCodeWords(shape: MaxpoolShape): number {
  const out = maxpoolOutput(shape);
  return Math.ceil((shape.channels * codeBits(shape)) / 32) * out.height * out.width;
}

/** y [samples, channels, out height, out width]; `codes` [samples, maxpoolCodeWords(shape)], where given, is for the gradient. */
export function maxpool(
  shape: MaxpoolShape,
  samples: number,
  { x, y, codes }: { x: BufferSlice; y: BufferSlice; codes?: BufferSlice },
): Dispatch {
  return elementwise(FORWARD, samples * maxpoolCodeWords(shape), {
    flags: { CODES: codes !== undefined },
    constants: { CODE_BITS: codeBits(shape) },
    bindings: codes ? { x, y, codes } : { x, y },
    uniforms: uniforms(shape, samples),
    flopsEach: (32 / codeBits(shape)) * shape.kernel ** 2 * MEMORY_FLOPS,
  });
}

/**
 * grad_x [samples, channels, height, width] from grad_y. With `rectified`, x was a ReLU's output, and the ReLU's own
 * gradient is applied too: what comes out is the gradient with respect to the ReLU's input. With `positive`, what is not
 * above zero in it becomes zero.
 */
export function maxpoolGradInput(
  shape: MaxpoolShape,
  samples: number,
  {
    gradY,
    codes,
    gradX,
    rectified = false,
    positive = false,
  }: {
    gradY: BufferSlice;
    codes: BufferSlice;
    gradX: BufferSlice;
    rectified?: boolean;
    positive?: boolean;
  },
): Dispatch {
  const { channels, height, width, kernel } = shape;
  const isDisjoint = tilesExactly(shape);
  const outputsPerWord = 32 / codeBits(shape);
  return elementwise(GRAD_INPUT, samples * (isDisjoint ? maxpoolCodeWords(shape) : channels * height * width), {
    flags: { DISJOINT: isDisjoint, RECTIFIED: rectified, POSITIVE: positive },
    constants: { CODE_BITS: codeBits(shape) },
    bindings: { grad_y: gradY, codes, grad_x: gradX },
    uniforms: uniforms(shape, samples),
    flopsEach: (isDisjoint ? outputsPerWord * kernel ** 2 : 3) * MEMORY_FLOPS,
  });
}

function uniforms(shape: MaxpoolShape, samples: number): Record<string, number> {
  const out = maxpoolOutput(shape);
  return {
    samples,
    channels: shape.channels,
    height: shape.height,
    width: shape.width,
    out_height: out.height,
    out_width: out.width,
    kernel: shape.kernel,
    stride: shape.stride,
  };
}
