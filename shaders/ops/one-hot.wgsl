// The gradient of a class logit, or of its difference to another one, with respect to all logits: 1 at the class, -1 at the
// contrast, 0 elsewhere, in each of `samples` rows from `first` on.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  classes: u32,
  contrast: u32, // a class, or none of them
  first: u32,
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
  let class_index = at % params.classes;
  y[params.first * params.classes + at] = select(0.0, 1.0, class_index == index[0]) - select(0.0, 1.0, class_index == params.contrast);
}
