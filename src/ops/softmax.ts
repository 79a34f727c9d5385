/** Softmax of rows of logits. */
import lanesLib from '../../shaders/lib/lanes.wgsl?raw';
import softmaxSource from '../../shaders/ops/softmax.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source } from './common.ts';

const SOFTMAX = source('softmax', softmaxSource, { libs: [lanesLib] });

/** probabilities [rows, classes] of logits [rows, classes]; each row sums to 1. */
export function softmax(
  classes: number,
  rows: number,
  { logits, probabilities }: { logits: BufferSlice; probabilities: BufferSlice },
): Dispatch {
  return {
    kernel: kernel(SOFTMAX),
    bindings: { logits, probabilities },
    uniforms: { classes },
    workgroups: rows,
    flops: rows * classes * MEMORY_FLOPS,
  };
}
