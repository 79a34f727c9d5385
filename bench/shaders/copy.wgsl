// From one storage buffer to another, both larger than any cache: memory bandwidth.
struct Params {
  grid_first: u32,
  grid_end: u32,
  count: u32, // of vec4f
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = workgroup_index(workgroup, workgroups, params.grid_first) * 64u + lane;
  if (i < params.count) {
    y[i] = x[i];
  }
}
