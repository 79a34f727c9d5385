/** Global average pooling: the mean of each feature map, [samples, channels, height, width] to [samples, channels]. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const gradInputSource = () => import('../../shaders/ops/global-average-pool.grad-input.wgsl?raw');
const poolSource = () => import('../../shaders/ops/global-average-pool.wgsl?raw');

export interface GlobalAveragePoolShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

const POOL = source('global-average-pool', poolSource);
const GRAD_INPUT = source('global-average-pool.grad-input', gradInputSource);

/** y[sample][channel] = Σ_ij x[sample][channel][i][j] / (height · width), added row by row. */
export function globalAveragePool(
  shape: GlobalAveragePoolShape,
  samples: number,
  { x, y }: { x: BufferSlice; y: BufferSlice },
): Dispatch {
  const uniforms = uniformsOf(shape, samples);
  // An invocation for each mean: 196 loads, behind convolutions that take thousands for each of their outputs.
  return elementwise(POOL, uniforms.maps, { bindings: { x, y }, uniforms, flopsEach: uniforms.cells * MEMORY_FLOPS });
}

/** The gradient with respect to the input: gradY / (height · width) in every cell. */
export function globalAveragePoolGradInput(
  shape: GlobalAveragePoolShape,
  samples: number,
  { gradY, gradX }: { gradY: BufferSlice; gradX: BufferSlice },
): Dispatch {
  const uniforms = uniformsOf(shape, samples);
  return elementwise(GRAD_INPUT, uniforms.maps * uniforms.cells, {
    bindings: { grad_y: gradY, grad_x: gradX },
    uniforms,
  });
}

function uniformsOf({ channels, height, width }: GlobalAveragePoolShape, samples: number) {
  const cells = height * width;
  return { maps: samples * channels, cells, scale: 1 / cells };
}
