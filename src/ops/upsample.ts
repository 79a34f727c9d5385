/** Bilinear resize of maps with half-pixel centres (align_corners = false). */
import bilinearLib from '../../shaders/lib/bilinear.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const upsampleSource = () => import('../../shaders/ops/upsample.wgsl?raw');

const UPSAMPLE = source('upsample', upsampleSource, { libs: [bilinearLib] });

/** y [maps, outHeight, outWidth] from x [maps, height, width]. */
export function upsample(
  { maps, height, width }: { maps: number; height: number; width: number },
  { outHeight, outWidth }: { outHeight: number; outWidth: number },
  { x, y }: { x: BufferSlice; y: BufferSlice },
): Dispatch {
  return elementwise(UPSAMPLE, maps * outHeight * outWidth, {
    bindings: { x, y },
    uniforms: { maps, height, width, out_height: outHeight, out_width: outWidth },
  });
}
