// The largest |A| of all feature maps, one workgroup a map. It comes as its bits, in whose order numbers that are not
// negative are the same as integers; the maximum does not depend on which workgroup is first.
struct Params {
  grid_first: u32,
  grid_end: u32,
  cells: u32, // of one map
}
@group(0) @binding(0) var<storage, read> activations: array<f32>;
@group(0) @binding(1) var<storage, read_write> largest: atomic<u32>; // zeroed by the caller
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let map = workgroup_index(workgroup, workgroups, params.grid_first);
  if (map >= params.grid_end) {
    return;
  }
  var own = 0u;
  for (var i = lane; i < params.cells; i += 64u) {
    own = max(own, bitcast<u32>(abs(activations[map * params.cells + i])));
  }
  if (own > 0u) {
    atomicMax(&largest, own);
  }
}
