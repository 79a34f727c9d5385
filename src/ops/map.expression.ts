/** The weighted sum of feature maps whose cells an expression of the caller's weights. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { type CellExpression, withExpression } from './common.expression.ts';
import { elementwise, MEMORY_FLOPS } from './common.ts';
import { commonBindings, MAP, type MapBuffers, type MapShape } from './map.ts';

/**
 * As map(), with the expression as the weight of each cell. `mapSums` [maps of the layer] holds Σ A_k; `sums`
 * may be left out where the expression names no moments.
 */
export function expressionMap(
  { maps, filtersPerMap, cells, samples }: MapShape & { samples: number },
  expression: CellExpression,
  { mapSums, sums, ...buffers }: MapBuffers & { mapSums: BufferSlice; sums?: BufferSlice },
): Dispatch {
  return elementwise(withExpression(MAP, expression), maps * cells, {
    flags: { EXPRESSION: true, NO_SUMS: sums === undefined },
    bindings: { ...commonBindings(buffers), weights: mapSums, ...(sums && { sums }) },
    uniforms: { maps, filters_per_map: filtersPerMap, cells, samples },
    flopsEach: 3 * filtersPerMap * MEMORY_FLOPS,
  });
}
