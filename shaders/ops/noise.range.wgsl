// Smallest and largest value of a tensor, by one workgroup.
struct Params {
  grid_first: u32,
  grid_end: u32,
  elements: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> range: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> smallest: array<f32, 256>;
var<workgroup> largest: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (workgroup_index(workgroup, workgroups, params.grid_first) >= params.grid_end) {
    return;
  }
  var low = x[0];
  var high = x[0];
  for (var i = lane; i < params.elements; i += 256u) {
    low = min(low, x[i]);
    high = max(high, x[i]);
  }
  smallest[lane] = low;
  largest[lane] = high;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half >>= 1u) {
    if (lane < half) {
      smallest[lane] = min(smallest[lane], smallest[lane + half]);
      largest[lane] = max(largest[lane], largest[lane + half]);
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    range[0] = smallest[0];
    range[1] = largest[0];
  }
}
