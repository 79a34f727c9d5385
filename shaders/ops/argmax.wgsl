// Index of the largest value of one row, the first of equals: the class to explain when the caller names none.
struct Params {
  grid_first: u32,
  grid_end: u32,
  row: u32,
  columns: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> index: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> values: array<f32, 64>;
var<workgroup> places: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (workgroup_index(workgroup, workgroups, params.grid_first) >= params.grid_end) {
    return;
  }
  let base = params.row * params.columns;
  var best = min(lane, params.columns - 1u);
  var value = x[base + best];
  for (var c = lane; c < params.columns; c += 64u) {
    if (x[base + c] > value) {
      value = x[base + c];
      best = c;
    }
  }
  values[lane] = value;
  places[lane] = best;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half >>= 1u) {
    if (lane < half) {
      let other = lane + half;
      let wins = values[other] > values[lane] || (values[other] == values[lane] && places[other] < places[lane]);
      if (wins) {
        values[lane] = values[other];
        places[lane] = places[other];
      }
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    index[0] = places[0];
  }
}
