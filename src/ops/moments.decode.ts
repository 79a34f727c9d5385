/** The moments themselves, out of the sums that moments() keeps of them. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const decodeLib = () => import('../../shaders/lib/decode-moments.wgsl?raw');
const decodeSource = () => import('../../shaders/ops/moments.decode.wgsl?raw');

const DECODE = source('moments.decode', decodeSource, { libs: [decodeLib] });

/**
 * D1, D2 and D3, each [elements], from the `sums` of moments() over n samples. Here they have float32's own range: of
 * gradients below about 1e-19 D2 comes out as zero, and D3 of those below 1e-13.
 */
export function decodeMoments(
  elements: number,
  samples: number,
  { sums, first, second, third }: { sums: BufferSlice; first: BufferSlice; second: BufferSlice; third: BufferSlice },
): Dispatch {
  return elementwise(DECODE, elements, {
    bindings: { sums, first, second, third },
    uniforms: { samples, elements },
    flopsEach: 2 * MEMORY_FLOPS,
  });
}
