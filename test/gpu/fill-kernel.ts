/** The smallest kernel that uses all that a kernel has: y[i] = offset + START + STEP · i, doubled with TWICE. */
import gridLib from '../../shaders/lib/grid.wgsl?raw';
import type { BufferSlice } from '../../src/gpu/buffers.ts';
import type { Dispatch } from '../../src/gpu/encoder.ts';
import { type KernelSource, kernel } from '../../src/gpu/kernel.ts';

export const FILL = {
  name: 'fill',
  libs: [gridLib],
  flags: { TWICE: false },
  code: /* wgsl */ `
struct Params {
  grid_first: u32,
  grid_end: u32,
  count: u32,
  offset: f32,
  shift: i32,
}
override START: f32 = 0.0;
override STEP: f32 = 1.0;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(4)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 4u + lane;
  if (group >= params.grid_end || at >= params.count) {
    return;
  }
  var value = params.offset + f32(params.shift) + START + STEP * f32(at);
#if TWICE
  value *= 2.0;
#endif
  y[at] = value;
}
`,
} satisfies KernelSource;

/** Fills `count` floats; `flops` is what the encoder is told. */
export function fill(
  y: BufferSlice,
  count: number,
  { offset = 0, shift = 0, flops = count, twice = false } = {},
): Dispatch {
  return {
    kernel: kernel(FILL, { flags: { TWICE: twice } }),
    bindings: { y },
    uniforms: { count, offset, shift },
    workgroups: Math.ceil(count / 4),
    flops,
  };
}
