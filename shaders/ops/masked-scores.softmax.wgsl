// Weights of Score-CAM (Wang et al. 2020): W_k = e^(S_k) / Σ_l e^(S_l) over the maps that make a mask, 0 for the others. One
// workgroup; the largest score is subtracted first.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32,
}
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> ranges: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> scratch: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (workgroup_index(workgroup, workgroups, params.grid_first) >= params.grid_end) {
    return;
  }
  var largest = -3.4028234e38;
  for (var k = lane; k < params.maps; k += 64u) {
    if (is_mask(ranges[k])) {
      largest = max(largest, scores[k]);
    }
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
  for (var k = lane; k < params.maps; k += 64u) {
    if (is_mask(ranges[k])) {
      sum += exp(scores[k] - largest);
    }
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
  for (var k = lane; k < params.maps; k += 64u) {
    var weight = 0.0;
    if (is_mask(ranges[k])) {
      weight = exp(scores[k] - largest) / sum;
    }
    weights[k] = weight;
  }
}
