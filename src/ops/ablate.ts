/** Ablation-CAM's copies of the feature maps (Desai and Ramaswamy 2020). */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const ablateSource = () => import('../../shaders/ops/ablate.wgsl?raw');

const ABLATE = source('ablate', ablateSource);

/** y [count, maps, cells]: copy m is `activations` [maps, cells] with map `first` + m set to zero. */
export function ablate(
  { maps, cells }: { maps: number; cells: number },
  { first, count }: { first: number; count: number },
  { activations, y }: { activations: BufferSlice; y: BufferSlice },
): Dispatch {
  return elementwise(ABLATE, count * maps * cells, {
    bindings: { activations, y },
    uniforms: { first, copies: count, maps, cells },
  });
}
