// Adds up the slices of the Gram matrix, in their order, in the first of them.
struct Params {
  grid_first: u32,
  grid_end: u32,
  elements: u32, // of one slice
  slices: u32,
}
@group(0) @binding(0) var<storage, read_write> gram: array<f32>; // [slices, elements]
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.elements) {
    return;
  }
  var sum = gram[at];
  for (var slice = 1u; slice < params.slices; slice++) {
    sum += gram[slice * params.elements + at];
  }
  gram[at] = sum;
}
