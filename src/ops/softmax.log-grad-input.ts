/** The gradient of the logarithm of a softmax. */
import lanesLib from '../../shaders/lib/lanes.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source } from './common.ts';

const logGradInputSource = () => import('../../shaders/ops/softmax.log-grad-input.wgsl?raw');

const LOG_GRAD_INPUT = source('softmax.log-grad-input', logGradInputSource, { libs: [lanesLib] });

/**
 * The gradient of log p_j with respect to the logits, e_j − p, for a class j of each sample: y [samples, classes] from
 * `logits` [samples, classes]. With `first` the class of sample m is index[first + m]; without, it is index[0] for all.
 */
export function logSoftmaxGradInput(
  classes: number,
  samples: number,
  { logits, index, y, first }: { logits: BufferSlice; index: BufferSlice; y: BufferSlice; first?: number },
): Dispatch {
  return {
    kernel: kernel(LOG_GRAD_INPUT),
    bindings: { logits, index, y },
    uniforms: { classes, index_first: first ?? 0, index_stride: first === undefined ? 0 : 1 },
    workgroups: samples,
    flops: samples * classes * MEMORY_FLOPS,
  };
}
