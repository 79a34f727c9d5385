/** The weighted sum of feature maps. */
import mapSource from '../../shaders/ops/map.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

export const MAP = source('map', mapSource, {
  flags: { CELLS: false, POSITIVE: false, EXPRESSION: false, NO_SUMS: false },
});

export interface MapShape {
  /** How many heat maps to make. */
  readonly maps: number;
  /** Entries of `filters` that each map sums. */
  readonly filtersPerMap: number;
  /** Height × width. */
  readonly cells: number;
}

export interface MapBuffers {
  readonly activations: BufferSlice;
  readonly filters: BufferSlice;
  readonly subset: BufferSlice;
  readonly signed: BufferSlice;
  readonly rectified: BufferSlice;
}

/**
 * L = ReLU(Σ_k W_k A_k) over `filters` (u32 indices, maps × filtersPerMap of them), and the sum before the ReLU; cells whose
 * `subset` entry (u32) is 0 are zero. `signed` and `rectified` are [maps, cells].
 */
export function map(
  { maps, filtersPerMap, cells }: MapShape,
  { weights, ...buffers }: MapBuffers & { weights: BufferSlice },
): Dispatch {
  return elementwise(MAP, maps * cells, {
    bindings: { ...commonBindings(buffers), weights },
    uniforms: { maps, filters_per_map: filtersPerMap, cells },
    flopsEach: filtersPerMap * MEMORY_FLOPS,
  });
}

/**
 * The same with the mean gradient D1 as the weight of each cell, from the `sums` of moments() over n samples:
 * L = ReLU(Σ_k D1_k ⊙ A_k) is HiResCAM (Draelos and Carin 2020), ReLU(Σ_k ReLU(D1_k) ⊙ A_k), with gradients 'positive',
 * LayerCAM (Jiang et al. 2021).
 */
export function gradientMap(
  { maps, filtersPerMap, cells, samples }: MapShape & { samples: number },
  gradients: 'signed' | 'positive',
  { sums, ...buffers }: MapBuffers & { sums: BufferSlice },
): Dispatch {
  return elementwise(MAP, maps * cells, {
    flags: { CELLS: true, POSITIVE: gradients === 'positive' },
    bindings: { ...commonBindings(buffers), sums },
    uniforms: { maps, filters_per_map: filtersPerMap, cells, samples },
    flopsEach: 2 * filtersPerMap * MEMORY_FLOPS,
  });
}

/** What every kernel of MAP takes. */
export function commonBindings({ activations, filters, subset, signed, rectified }: MapBuffers) {
  return { activations, filters, subset, signed_map: signed, rectified_map: rectified };
}
