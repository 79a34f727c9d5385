/** Score-CAM's masked copies of the model's input (Wang et al. 2020, arXiv 1910.01279). */
import bilinearLib from '../../shaders/lib/bilinear.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const enlargedLib = () => import('../../shaders/lib/enlarged-map.wgsl?raw');
const rangeLib = () => import('../../shaders/lib/mask-range.wgsl?raw');
const rangeSource = () => import('../../shaders/ops/mask-input.range.wgsl?raw');
const maskInputSource = () => import('../../shaders/ops/mask-input.wgsl?raw');

const MASK_INPUT = source('mask-input', maskInputSource, { libs: [bilinearLib, enlargedLib, rangeLib] });
const RANGE = source('mask-input.range', rangeSource, { libs: [bilinearLib, enlargedLib] });

/** Floats of the range of one map. */
export const MASK_RANGE_FLOATS = 2;

export interface MaskShape {
  /** K and the size of the feature maps. */
  readonly maps: number;
  readonly height: number;
  readonly width: number;
  /** Of the model's input. */
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** `ranges` [maps, 2]: lowest and highest value of each of `activations` [maps, height, width], enlarged to the input's size. */
export function maskRanges(
  { maps, height, width, outHeight, outWidth }: MaskShape,
  { activations, ranges }: { activations: BufferSlice; ranges: BufferSlice },
): Dispatch {
  return {
    kernel: kernel(RANGE),
    bindings: { activations, ranges },
    uniforms: { height, width, out_height: outHeight, out_width: outWidth },
    workgroups: maps,
    flops: maps * outHeight * outWidth * MEMORY_FLOPS,
  };
}

/**
 * y [count, channels, outHeight, outWidth]: copy m is `x` ⊙ s(Up(A_k)) for k = first + m, with Up the bilinear enlargement to
 * the input's size and s(V) = (V − min V) / (max V − min V). The mask of a constant map is zero everywhere. `ranges` is from
 * maskRanges().
 */
export function maskInput(
  { height, width, channels, outHeight, outWidth }: MaskShape,
  { first, count }: { first: number; count: number },
  { x, activations, ranges, y }: { x: BufferSlice; activations: BufferSlice; ranges: BufferSlice; y: BufferSlice },
): Dispatch {
  return elementwise(MASK_INPUT, count * outHeight * outWidth, {
    bindings: { x, activations, ranges, y },
    uniforms: { first, copies: count, channels, height, width, out_height: outHeight, out_width: outWidth },
    flopsEach: (channels + 1) * MEMORY_FLOPS,
  });
}
