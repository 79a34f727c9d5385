/** Convolutions as questions to the tuner: which kernel is the fastest for a shape? */
import type { KernelTraits } from '../gpu/gpu.ts';
import type { KernelQuestion } from '../gpu/tuning.ts';
import { DEFAULT_PRECISION, type Precision } from '../precision.ts';
import type { Direction } from './common.ts';
import type { Conv2dShape } from './conv2d.ts';
import { type Conv2dVariant, conv2dScratch, conv2dVariants } from './conv2d.variants.ts';

/** Which kernel computes a convolution of a job? */
export interface Conv2dQuestion extends KernelQuestion<Conv2dVariant> {
  readonly shape: Conv2dShape;
  readonly direction: Direction;
  readonly precision: Precision;
  /** Rows of the job, as far as they matter. */
  readonly rows: number;
}

/** Rows beyond which a kernel's speed per row no longer changes. */
const MOST_ROWS = 8;

/**
 * @param samples rows of the whole job, however they are batched
 * @param bindableBytes what one binding can hold
 * @param precision as in conv2dVariants(); what is only held in float16 is timed in float32, to which it makes no difference
 * @param evenly as in conv2dVariants()
 */
export function conv2dQuestion(
  traits: KernelTraits,
  shape: Conv2dShape,
  direction: Direction,
  samples: number,
  bindableBytes: number,
  precision: Precision = DEFAULT_PRECISION,
  evenly = false,
): Conv2dQuestion {
  const { inChannels, outChannels, height, width, kernel, stride, padding } = shape;
  const fits = (variant: Conv2dVariant) =>
    Object.values(conv2dScratch(variant, traits, shape, direction)).every(({ words }) => 4 * words <= bindableBytes);
  const rows = Math.min(MOST_ROWS, samples);
  const form = `${kernel}x${kernel} stride ${stride} padding ${padding}`;
  const asked = `${precision === 'f16' ? ' f16' : ''}${evenly ? ' evenly' : ''}`;
  return {
    key: `conv2d ${direction} ${inChannels}-${outChannels} ${height}x${width} ${form} rows ${rows}${asked}`,
    candidates: conv2dVariants(traits, shape, direction, samples, precision, evenly).filter(fits),
    shape,
    direction,
    precision,
    rows,
  };
}
