/** What each value of the model's input adds to the score, from the moments of the gradient there. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const attributionSource = () => import('../../shaders/ops/attribution.wgsl?raw');

const ATTRIBUTION = source('attribution', attributionSource, { flags: { INPUT: false, HEAT: false, LARGEST: false } });

export interface AttributionShape {
  readonly channels: number;
  /** Height × width of the input. */
  readonly cells: number;
  /** n, how many samples the sums hold. */
  readonly samples: number;
}

/** What the gradient is multiplied with. */
export type AttributionFactor =
  | { readonly x: BufferSlice; readonly baseline: BufferSlice }
  | { readonly heat: BufferSlice };

/**
 * a = D1, or D1 ⊙ (x − b) where a factor is given, with the mean gradient D1 from the `sums` of moments(); `signed` [channels, cells]
 * takes a, `map` [cells] a value for each cell: max_c |a_c| (Simonyan et al. 2013) if `reduce` is 'largest', or
 * ReLU(Σ_c a_c).
 *
 * @param factor the model's input x [channels, cells], and b [channels]: zeros for gradient × input; or `heat` [cells], which
 * multiplies every channel
 */
export function attribution(
  { channels, cells, samples }: AttributionShape,
  reduce: 'largest' | 'sum',
  { sums, signed, map }: { sums: BufferSlice; signed: BufferSlice; map: BufferSlice },
  factor?: AttributionFactor,
): Dispatch {
  return elementwise(ATTRIBUTION, cells, {
    flags: {
      INPUT: factor !== undefined && 'x' in factor,
      HEAT: factor !== undefined && 'heat' in factor,
      LARGEST: reduce === 'largest',
    },
    bindings: { sums, attribution: signed, map, ...factor },
    uniforms: { channels, cells, samples },
    flopsEach: 3 * channels * MEMORY_FLOPS,
  });
}
