// Adds samples, in their order, to what is there: total[i] = keep * total[i] + scale * sum over m of x[first + m][i].
// With one sample, keep = 0 and scale = 1 it copies that sample.
struct Params {
  grid_first: u32,
  grid_end: u32,
  first: u32,
  samples: u32,
  elements: u32, // per sample
  keep: f32,
  scale: f32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

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
  var sum = 0.0;
  if (params.keep != 0.0) {
    sum = params.keep * total[at];
  }
  for (var m = 0u; m < params.samples; m++) {
    sum = fma(params.scale, x[(params.first + m) * params.elements + at], sum);
  }
  total[at] = sum;
}
