/** Flatten [samples, channels, height, width] in H, W, C order. The C, H, W order needs no op: the bytes are the same. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, source } from './common.ts';

const flattenSource = () => import('../../shaders/ops/flatten.wgsl?raw');

export interface FlattenShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

const FLATTEN = source('flatten', flattenSource, { flags: { INVERSE: false } });

export function flatten(shape: FlattenShape, samples: number, { x, y }: { x: BufferSlice; y: BufferSlice }): Dispatch {
  return permute(shape, samples, { x, y }, false);
}

/** The gradient with respect to the input: the way back. */
export function flattenGradInput(
  shape: FlattenShape,
  samples: number,
  { gradY, gradX }: { gradY: BufferSlice; gradX: BufferSlice },
): Dispatch {
  return permute(shape, samples, { x: gradY, y: gradX }, true);
}

function permute(
  { channels, height, width }: FlattenShape,
  samples: number,
  bindings: { x: BufferSlice; y: BufferSlice },
  inverse: boolean,
): Dispatch {
  return elementwise(FLATTEN, samples * channels * height * width, {
    flags: { INVERSE: inverse },
    bindings,
    uniforms: { samples, channels, cells: height * width },
  });
}
