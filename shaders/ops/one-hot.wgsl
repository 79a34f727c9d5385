// The gradient of a class logit with respect to all logits: 1 at the class, 0 elsewhere, for each sample.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  classes: u32,
}
@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.samples * params.classes) {
    return;
  }
  y[at] = select(0.0, 1.0, at % params.classes == index[0]);
}
