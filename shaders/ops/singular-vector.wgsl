// Power iteration v ← G v for the eigenvector of a symmetric matrix with the largest eigenvalue, by one workgroup. It
// begins with v = 1 in every entry and stops when no entry moves by more than TOLERANCE of the largest. A dispatch does
// at most ITERATIONS steps; one that finds the iteration at its end does none. Between the dispatches the largest entry
// of v is 1, behind the last v has unit length, or is 0 where G is.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32,
  is_first: u32,
  is_last: u32,
}
@group(0) @binding(0) var<storage, read> gram: array<f32>; // [maps, maps]
@group(0) @binding(1) var<storage, read_write> vector: array<f32>; // v, [maps]
@group(0) @binding(2) var<storage, read_write> product: array<f32>; // G v, [maps]
@group(0) @binding(3) var<storage, read_write> ended: array<u32>; // one: 1 when the iteration has come to its end
@group(0) @binding(4) var<uniform> params: Params;

override ITERATIONS: u32;
override TOLERANCE: f32;

const LANES = 256u;
var<workgroup> scratch: array<f32, LANES>;
var<workgroup> shared_value: f32;

// What lane 0 has, for every lane.
fn from_first_lane(lane: u32, value: f32) -> f32 {
  if (lane == 0u) {
    shared_value = value;
  }
  return workgroupUniformLoad(&shared_value);
}

fn largest_of_lanes(lane: u32, value: f32) -> f32 {
  scratch[lane] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) {
      scratch[lane] = max(scratch[lane], scratch[lane + half]);
    }
    workgroupBarrier();
  }
  return from_first_lane(lane, scratch[0]);
}

fn sum_of_lanes(lane: u32, value: f32) -> f32 {
  scratch[lane] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) {
      scratch[lane] += scratch[lane + half];
    }
    workgroupBarrier();
  }
  return from_first_lane(lane, scratch[0]);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (workgroup_index(workgroup, workgroups, params.grid_first) >= params.grid_end) {
    return;
  }
  var has_ended = false;
  if (params.is_first == 1u) {
    for (var k = lane; k < params.maps; k += LANES) {
      vector[k] = 1.0;
    }
    storageBarrier();
  } else {
    has_ended = from_first_lane(lane, f32(ended[0])) == 1.0;
  }

  for (var i = 0u; i < ITERATIONS && !has_ended; i++) {
    var own_largest = 0.0;
    for (var k = lane; k < params.maps; k += LANES) {
      var sum = 0.0;
      for (var l = 0u; l < params.maps; l++) {
        sum = fma(gram[l * params.maps + k], vector[l], sum); // G_kl, which is G_lk: neighbours read neighbours
      }
      product[k] = sum;
      own_largest = max(own_largest, abs(sum));
    }
    let largest = largest_of_lanes(lane, own_largest);
    var own_change = 0.0;
    for (var k = lane; k < params.maps; k += LANES) {
      let next = select(0.0, product[k] / largest, largest > 0.0);
      own_change = max(own_change, abs(next - vector[k]));
      vector[k] = next;
    }
    storageBarrier();
    has_ended = largest_of_lanes(lane, own_change) <= TOLERANCE;
  }
  if (lane == 0u) {
    ended[0] = u32(has_ended);
  }

  if (params.is_last == 1u) {
    var own_square = 0.0;
    for (var k = lane; k < params.maps; k += LANES) {
      own_square = fma(vector[k], vector[k], own_square);
    }
    let square = sum_of_lanes(lane, own_square);
    for (var k = lane; k < params.maps; k += LANES) {
      vector[k] = select(0.0, vector[k] * inverseSqrt(square), square > 0.0);
    }
  }
}
