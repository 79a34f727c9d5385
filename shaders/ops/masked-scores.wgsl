// The class's score of each masked copy: scores[first + m] = logits[m][class].
struct Params {
  grid_first: u32,
  grid_end: u32,
  first: u32,
  copies: u32,
  classes: u32,
}
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>; // the class
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let copy = group * 64u + lane;
  if (group >= params.grid_end || copy >= params.copies) {
    return;
  }
  scores[params.first + copy] = logits[copy * params.classes + index[0]];
}
