// Softmax of each row: one workgroup a row, the largest logit subtracted first.
struct Params {
  grid_first: u32,
  grid_end: u32,
  classes: u32,
}
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> probabilities: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> scratch: array<f32, 64>;

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
  scratch[lane] = largest;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half >>= 1u) {
    if (lane < half) {
      scratch[lane] = max(scratch[lane], scratch[lane + half]);
    }
    workgroupBarrier();
  }
  largest = scratch[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var c = lane; c < params.classes; c += 64u) {
    sum += exp(logits[base + c] - largest);
  }
  scratch[lane] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half >>= 1u) {
    if (lane < half) {
      scratch[lane] += scratch[lane + half];
    }
    workgroupBarrier();
  }
  sum = scratch[0];
  for (var c = lane; c < params.classes; c += 64u) {
    probabilities[base + c] = exp(logits[base + c] - largest) / sum;
  }
}
