// Weights of Ablation-CAM (Desai and Ramaswamy 2020): W_k = (S - S_k) / |S|, S the class's score with nothing left out; where
// |S| is so small that the quotient would not be a number, W_k = S - S_k. An invocation makes one weight.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32,
}
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>; // of the clean picture
@group(0) @binding(2) var<storage, read> index: array<u32>; // the class
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const SMALLEST_DIVISOR = 1e-30;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let k = group * 64u + lane;
  if (group >= params.grid_end || k >= params.maps) {
    return;
  }
  let score = logits[index[0]];
  var divisor = 1.0;
  if (abs(score) >= SMALLEST_DIVISOR) {
    divisor = abs(score);
  }
  weights[k] = (score - scores[k]) / divisor;
}
