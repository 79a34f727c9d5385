// The gradient of global-average-pool.wgsl with respect to its input: each cell has an equal share of its map's.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32, // of all samples
  cells: u32,
  scale: f32,
}
@group(0) @binding(0) var<storage, read> grad_y: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_x: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.maps * params.cells) {
    return;
  }
  grad_x[at] = params.scale * grad_y[at / params.cells];
}
