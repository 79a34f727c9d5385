/** The gradient of a class logit, or of its difference to another one, with respect to all logits: where the backward pass begins. */
import oneHotSource from '../../shaders/ops/one-hot.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const ONE_HOT = source('one-hot', oneHotSource);

/**
 * y [first + samples, classes], of which rows from `first` on are written: 1 at the class that `index` (one u32) names, 0 elsewhere; with `contrast`, a class, less 1 there. Of a
 * class and itself nothing is left.
 */
export function oneHot(
  classes: number,
  samples: number,
  {
    index,
    y,
    contrast = classes,
    first = 0,
  }: { index: BufferSlice; y: BufferSlice; contrast?: number; first?: number },
): Dispatch {
  return elementwise(ONE_HOT, samples * classes, {
    bindings: { index, y },
    uniforms: { samples, classes, contrast, first },
  });
}
