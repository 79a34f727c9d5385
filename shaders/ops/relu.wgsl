// What the gradient of a ReLU needs of its output x [samples, channels, height, width]: where it is above zero, as the
// mask of conv-output.wgsl. For convolutions that cannot write it themselves. ReLU'(0) = 0. An invocation writes the word
// of one block of 2 × 2 cells and 8 channels.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  channels: u32,
  height: u32,
  width: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> mask: array<u32>;
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
  var bits = 0u;
  for (var bit = 0u; bit < 32u; bit++) {
    let cell = mask_cell(block, bit);
    if (cell.exists && x[cell.index] > 0.0) {
      bits |= 1u << bit;
    }
  }
  mask[group * 64u + lane] = bits;
}
