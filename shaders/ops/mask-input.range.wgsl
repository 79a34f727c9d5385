// Lowest and highest value of each feature map enlarged to the input's size, bilinearly with half-pixel centres: what its
// mask is normalised by. One workgroup a map.
struct Params {
  grid_first: u32,
  grid_end: u32,
  height: u32, // of a feature map
  width: u32,
  out_height: u32, // of the input
  out_width: u32,
}
@group(0) @binding(0) var<storage, read> activations: array<f32>;
@group(0) @binding(1) var<storage, read_write> ranges: array<vec2f>; // lowest, highest
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> lowest: array<f32, 64>;
var<workgroup> highest: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let map = workgroup_index(workgroup, workgroups, params.grid_first);
  if (map >= params.grid_end) {
    return;
  }
  var low = enlarged(map, 0u, 0u);
  var high = low;
  for (var at = lane; at < params.out_height * params.out_width; at += 64u) {
    let value = enlarged(map, at / params.out_width, at % params.out_width);
    low = min(low, value);
    high = max(high, value);
  }
  lowest[lane] = low;
  highest[lane] = high;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half >>= 1u) {
    if (lane < half) {
      lowest[lane] = min(lowest[lane], lowest[lane + half]);
      highest[lane] = max(highest[lane], highest[lane + half]);
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    ranges[map] = vec2f(lowest[0], highest[0]);
  }
}
