// Gradient of a ReLU with respect to its input, in place in grad [samples, channels, height, width]. An invocation handles
// the block of one word.
//   MASK: kept where the mask (relu.wgsl) is set, zero elsewhere
//   POSITIVE: kept where it is above zero itself, zero elsewhere
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  channels: u32,
  height: u32,
  width: u32,
}
#if MASK
@group(0) @binding(0) var<storage, read> mask: array<u32>;
#endif
@group(0) @binding(1) var<storage, read_write> grad: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let block = mask_block(group * 64u + lane);
  if (group >= params.grid_end || block.plane >= params.samples * block.planes) {
    return;
  }
#if MASK
  let bits = mask[group * 64u + lane];
#else
  let bits = ~0u;
#endif
  for (var bit = 0u; bit < 32u; bit++) {
    let cell = mask_cell(block, bit);
    var passes = ((bits >> bit) & 1u) == 1u;
#if POSITIVE
    passes = passes && cell.exists && grad[cell.index] > 0.0;
#endif
    if (cell.exists && !passes) {
      grad[cell.index] = 0.0;
    }
  }
}
