/** ReLU's gradient, for layers whose own kernels do not take it in: a bit per element is all that it needs. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const maskLib = () => import('../../shaders/lib/mask-blocks.wgsl?raw');
const gradInputSource = () => import('../../shaders/ops/relu.grad-input.wgsl?raw');
const forwardSource = () => import('../../shaders/ops/relu.wgsl?raw');

export interface ReluShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

const FORWARD = source('relu', forwardSource, { libs: [maskLib] });
const GRAD_INPUT = source('relu.grad-input', gradInputSource, {
  libs: [maskLib],
  flags: { MASK: false, POSITIVE: false },
});

/** 32-bit words of the mask of one sample: [channels / 8, height / 2, width / 2], rounded up. */
export function reluMaskWords({ channels, height, width }: ReluShape): number {
  return Math.ceil(channels / 8) * Math.ceil(height / 2) * Math.ceil(width / 2);
}

/** Writes the mask [samples, reluMaskWords(shape)] of x > 0; x [samples, channels, height, width] is a ReLU's output. */
export function reluMask(
  shape: ReluShape,
  samples: number,
  { x, mask }: { x: BufferSlice; mask: BufferSlice },
): Dispatch {
  return blockwise(FORWARD, shape, samples, { x, mask });
}

/**
 * Gradient with respect to ReLU's input, in place: `grad` [samples, channels, height, width] is zeroed where the mask, if
 * given, is not set, and if `positive` where it is not above zero itself.
 */
export function reluGradInput(
  shape: ReluShape,
  samples: number,
  { mask, grad, positive = false }: { mask?: BufferSlice; grad: BufferSlice; positive?: boolean },
): Dispatch {
  const flags = { MASK: mask !== undefined, POSITIVE: positive };
  return blockwise(GRAD_INPUT, shape, samples, mask ? { mask, grad } : { grad }, flags);
}

function blockwise(
  from: typeof FORWARD,
  shape: ReluShape,
  samples: number,
  bindings: Record<string, BufferSlice>,
  flags?: Record<string, boolean>,
): Dispatch {
  const { channels, height, width } = shape;
  return elementwise(from, samples * reluMaskWords(shape), {
    flags,
    bindings,
    uniforms: { samples, channels, height, width },
    flopsEach: 32 * MEMORY_FLOPS,
  });
}
