// The moments D1, D2 and D3 as tensors of their own, for those who compute with them.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32, // n
  elements: u32,
}
@group(0) @binding(0) var<storage, read> sums: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> first: array<f32>;
@group(0) @binding(2) var<storage, read_write> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> third: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

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
  let moments = decode_moments(sums[at], params.samples);
  first[at] = moments.x;
  second[at] = moments.y;
  third[at] = moments.z;
}
