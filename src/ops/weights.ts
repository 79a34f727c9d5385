/** Weights of the feature maps from the moments of the gradient: those of the Grad-CAMs. */
import lanesLib from '../../shaders/lib/lanes.wgsl?raw';
import weightsSource from '../../shaders/ops/weights.wgsl?raw';
import type { AlphaConventions } from '../conventions.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source } from './common.ts';

export const WEIGHTS = source('weights', weightsSource, {
  libs: [lanesLib],
  flags: {
    ACTIVATIONS: false,
    ALPHA: false,
    FIRST: false,
    SUM: false,
    BARE: false,
    EPSILON: false,
    NONZERO: false,
    NORMALIZE: false,
    POSITIVE: false,
    LAST: false,
    EXPRESSION: false,
    NO_SUMS: false,
  },
});

export interface WeightsShape {
  readonly maps: number;
  /** Height × width of a map. */
  readonly cells: number;
  /** n, how many samples the sums hold. */
  readonly samples: number;
}

/** Grad-CAM (Selvaraju et al. 2017): W_k is the mean gradient of map k. `weights` [maps]. */
export function meanGradientWeights(
  { maps, cells, samples }: WeightsShape,
  { sums, weights }: { sums: BufferSlice; weights: BufferSlice },
): Dispatch {
  return {
    kernel: kernel(WEIGHTS),
    bindings: { sums, weights },
    uniforms: { cells, samples },
    workgroups: maps,
    flops: maps * cells * MEMORY_FLOPS,
  };
}

/**
 * Grad-CAM++ and Smooth Grad-CAM++: W_k = Σ_ij α_k[ij] · ReLU(D1[ij]) with α as the conventions have it. `lastGradient` [maps,
 * cells], that of the last sample, takes the place of D1 there where it is given. Cells with α = 0 are added to `zeroCells`
 * (one u32, zeroed by the caller). `activations` [maps, cells], `weights` [maps].
 */
export function alphaWeights(
  { maps, cells, samples }: WeightsShape,
  { alphaNumerator, alphaDenominator, alphaEpsilon, alphaGuard, alphaNormalization }: AlphaConventions,
  {
    sums,
    activations,
    zeroCells,
    weights,
    lastGradient,
  }: {
    sums: BufferSlice;
    activations: BufferSlice;
    zeroCells: BufferSlice;
    weights: BufferSlice;
    lastGradient?: BufferSlice;
  },
): Dispatch {
  const flags = {
    ACTIVATIONS: true,
    ALPHA: true,
    FIRST: alphaNumerator === 'first',
    SUM: alphaDenominator === 'sum',
    BARE: alphaDenominator === 'none',
    EPSILON: alphaEpsilon > 0,
    NONZERO: alphaGuard === 'nonzero',
    NORMALIZE: alphaNormalization !== 'none',
    POSITIVE: alphaNormalization === 'positive-gradient',
    LAST: lastGradient !== undefined,
  };
  return {
    kernel: kernel(WEIGHTS, { flags }),
    bindings: {
      sums,
      activations,
      zero_cells: zeroCells,
      weights,
      ...(lastGradient && { last_gradient: lastGradient }),
    },
    uniforms: { cells, samples, ...(flags.EPSILON && { epsilon: alphaEpsilon }) },
    workgroups: maps,
    flops: (flags.SUM ? 5 : 3) * maps * cells * MEMORY_FLOPS,
  };
}
