/** The weighted sum of feature maps. */
import mapSource from '../../shaders/ops/map.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const MAP = source('map', mapSource);

export interface MapShape {
  /** How many heat maps to make. */
  readonly maps: number;
  /** Entries of `filters` that each map sums. */
  readonly filtersPerMap: number;
  /** Height × width. */
  readonly cells: number;
}

/**
 * L = ReLU(Σ_k W_k A_k) over `filters` (u32 indices, maps × filtersPerMap of them), and the sum before the ReLU; cells whose
 * `subset` entry (u32) is 0 are zero. `signed` and `rectified` are [maps, cells].
 */
export function map(
  { maps, filtersPerMap, cells }: MapShape,
  {
    activations,
    weights,
    filters,
    subset,
    signed,
    rectified,
  }: {
    activations: BufferSlice;
    weights: BufferSlice;
    filters: BufferSlice;
    subset: BufferSlice;
    signed: BufferSlice;
    rectified: BufferSlice;
  },
): Dispatch {
  return elementwise(MAP, maps * cells, {
    bindings: { activations, weights, filters, subset, signed_map: signed, rectified_map: rectified },
    uniforms: { maps, filters_per_map: filtersPerMap, cells },
    flopsEach: filtersPerMap * MEMORY_FLOPS,
  });
}
