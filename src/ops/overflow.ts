/** Whether values have left float32's range. */
import overflowSource from '../../shaders/ops/overflow.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const OVERFLOW = source('overflow', overflowSource);

/** Sets `flag` (one u32, zeroed by the caller) to 1 if one of the first `elements` values of x is infinite or NaN. */
export function overflow(elements: number, { x, flag }: { x: BufferSlice; flag: BufferSlice }): Dispatch {
  return elementwise(OVERFLOW, elements, { bindings: { x, flag }, uniforms: { elements } });
}
