/** Number formats that weights are held in on the GPU, and convolutions computed in. */

/**
 * 'f32': everything float32. 'f16-storage': weights are held in float16, the arithmetic is float32. 'f16': convolutions also
 * multiply in float16.
 */
export const PRECISIONS = ['f32', 'f16-storage', 'f16'] as const;
/** One of PRECISIONS. */
export type Precision = (typeof PRECISIONS)[number];
export const DEFAULT_PRECISION: Precision = 'f32';

/** WebGPU's feature that arithmetic in float16 takes. */
export const HALF_FEATURE = 'shader-f16';
