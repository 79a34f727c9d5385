// Softmax of each row: one workgroup a row, the largest logit subtracted first.
struct Params {
  grid_first: u32,
  grid_end: u32,
  classes: u32,
}
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> probabilities: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_index(workgroup, workgroups, params.grid_first);
  if (row >= params.grid_end) {
    return;
  }
  let base = row * params.classes;
  var largest = logits[base];
  for (var c = lane; c < params.classes; c += 64u) {
    largest = max(largest, logits[base + c]);
  }
  largest = max_lanes(lane, largest);
  var sum = 0.0;
  for (var c = lane; c < params.classes; c += 64u) {
    sum += exp(logits[base + c] - largest);
  }
  sum = sum_lanes(lane, sum);
  for (var c = lane; c < params.classes; c += 64u) {
    probabilities[base + c] = exp(logits[base + c] - largest) / sum;
  }
}
