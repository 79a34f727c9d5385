/** Index of the largest value of a row; the first of equals. */
import argmaxSource from '../../shaders/ops/argmax.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source } from './common.ts';

const ARGMAX = source('argmax', argmaxSource);

/** Writes the index of the largest of x[row][0 … columns - 1] as one u32. */
export function argmax(columns: number, row: number, { x, index }: { x: BufferSlice; index: BufferSlice }): Dispatch {
  return {
    kernel: kernel(ARGMAX),
    bindings: { x, index },
    uniforms: { row, columns },
    workgroups: 1,
    flops: columns * MEMORY_FLOPS,
  };
}
