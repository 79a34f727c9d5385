/** ReLU: one bit per element is all that its gradient needs. */

import gradInputSource from '../../shaders/ops/relu.grad-input.wgsl?raw';
import forwardSource from '../../shaders/ops/relu.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const FORWARD = source('relu', forwardSource, { flags: { RECTIFY: false } });
const GRAD_INPUT = source('relu.grad-input', gradInputSource);

/** 32-bit words of the mask of one sample. */
export function reluMaskWords(elements: number): number {
  return Math.ceil(elements / 32);
}

/**
 * Writes the mask [samples, reluMaskWords(elements)] of x > 0. With `rectify`, x is replaced by max(x, 0) as well; without,
 * x must be rectified already (a convolution with fused ReLU).
 */
export function relu(
  elements: number,
  samples: number,
  { x, mask, rectify = false }: { x: BufferSlice; mask: BufferSlice; rectify?: boolean },
): Dispatch {
  return elementwise(FORWARD, samples * reluMaskWords(elements), {
    flags: { RECTIFY: rectify },
    bindings: { x, mask },
    uniforms: { samples, elements },
    flopsEach: 32 * MEMORY_FLOPS,
  });
}

/** Gradient with respect to ReLU's input, in place: `grad` [samples, elements] is zeroed where the mask is not set. */
export function reluGradInput(
  elements: number,
  samples: number,
  { mask, grad }: { mask: BufferSlice; grad: BufferSlice },
): Dispatch {
  return elementwise(GRAD_INPUT, samples * reluMaskWords(elements), {
    bindings: { mask, grad },
    uniforms: { samples, elements },
    flopsEach: 32 * MEMORY_FLOPS,
  });
}
