// Points of the straight line from a baseline to the model's input, in place of noisy copies: row m is point number
// first_point + m. Of `steps` points, number k is at the middle of the k-th of as many equal parts; the point behind the
// last is the baseline itself. Behind the first `points` rows come rows of the input as it is. An invocation makes one
// element. baseline [channels]; x [channels, cells]; y [rows, channels, cells].
struct Params {
  grid_first: u32,
  grid_end: u32,
  rows: u32,
  points: u32,
  first_point: u32,
  steps: u32,
  channels: u32,
  cells: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> baseline: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  let elements = params.channels * params.cells;
  if (group >= params.grid_end || at >= params.rows * elements) {
    return;
  }
  let element = at % elements;
  let row = at / elements;
  let end = x[element];
  if (row >= params.points) {
    y[at] = end;
    return;
  }
  let start = baseline[element / params.cells];
  let point = params.first_point + row;
  if (point >= params.steps) {
    y[at] = start;
    return;
  }
  let share = (f32(point) + 0.5) / f32(params.steps);
  y[at] = fma(share, end - start, start);
}
