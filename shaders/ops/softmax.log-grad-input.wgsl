// The gradient of log p_j, p the softmax of a sample's logits and j the sample's class, with respect to these logits:
// 1 - p_j at the class, -p_i at the others. One workgroup a sample. What a way back makes of it is g_j - Σ_i p_i g_i, the
// gradient of the class's logit against the mean over all classes. 1 - p_j is the sum of the other classes, not a
// difference: it keeps its digits where p_j is nearly 1.
struct Params {
  grid_first: u32,
  grid_end: u32,
  classes: u32,
  index_first: u32, // the class of sample m is index[index_first + m * index_stride]
  index_stride: u32,
}
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let sample = workgroup_index(workgroup, workgroups, params.grid_first);
  if (sample >= params.grid_end) {
    return;
  }
  let base = sample * params.classes;
  let chosen = index[params.index_first + sample * params.index_stride];
  var largest = logits[base];
  for (var c = lane; c < params.classes; c += 64u) {
    largest = max(largest, logits[base + c]);
  }
  largest = max_lanes(lane, largest);
  var others = 0.0;
  for (var c = lane; c < params.classes; c += 64u) {
    if (c != chosen) {
      others += exp(logits[base + c] - largest);
    }
  }
  others = sum_lanes(lane, others);
  let sum = others + exp(logits[base + chosen] - largest);
  for (var c = lane; c < params.classes; c += 64u) {
    y[base + c] = select(-exp(logits[base + c] - largest), others, c == chosen) / sum;
  }
}
