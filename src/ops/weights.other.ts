/** Weights of the feature maps from the moments of the gradient: those of other methods than the Grad-CAMs. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { type CellExpression, withExpression } from './common.expression.ts';
import { MEMORY_FLOPS } from './common.ts';
import { WEIGHTS, type WeightsShape } from './weights.ts';

/**
 * XGrad-CAM (Fu et al. 2020): W_k = Σ_ij (A_k[ij] / Σ A_k) · D1[ij], 0 where map k is zero everywhere. `activations`
 * [maps, cells] are not negative, `weights` [maps].
 */
export function activationShareWeights(
  { maps, cells, samples }: WeightsShape,
  { sums, activations, weights }: { sums: BufferSlice; activations: BufferSlice; weights: BufferSlice },
): Dispatch {
  return {
    kernel: kernel(WEIGHTS, { flags: { ACTIVATIONS: true } }),
    bindings: { sums, activations, weights },
    uniforms: { cells, samples },
    workgroups: maps,
    flops: 3 * maps * cells * MEMORY_FLOPS,
  };
}

/**
 * W_k = Σ_ij of an expression of the caller's. `sums` may be left out where it names no moments. `activations` [maps, cells],
 * `weights` [maps].
 */
export function expressionWeights(
  { maps, cells, samples }: WeightsShape,
  expression: CellExpression,
  { sums, activations, weights }: { sums?: BufferSlice; activations: BufferSlice; weights: BufferSlice },
): Dispatch {
  const flags = { ACTIVATIONS: true, EXPRESSION: true, NO_SUMS: sums === undefined };
  return {
    kernel: kernel(withExpression(WEIGHTS, expression), { flags }),
    bindings: { activations, weights, ...(sums && { sums }) },
    uniforms: { cells, samples },
    workgroups: maps,
    flops: 3 * maps * cells * MEMORY_FLOPS,
  };
}
