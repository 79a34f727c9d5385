/** Number formats that weights can be held in on the GPU. */
import { OptionError } from './errors.ts';

/** How weights can be held on the GPU. */
export const PRECISIONS = ['f32', 'f16-storage'] as const;
/** One of PRECISIONS. */
export type Precision = (typeof PRECISIONS)[number];
export const DEFAULT_PRECISION: Precision = 'f32';

/** @throws OptionError */
export function checkPrecision(precision: Precision = DEFAULT_PRECISION): Precision {
  if (PRECISIONS.includes(precision)) return precision;
  throw new OptionError('precision', precision, `${PRECISIONS.join(', ')}; the arithmetic is float32 in both`);
}
