// Second half of the resize, then what the model expects: y[c] = (value * scale_c - mean_c) / std_c in the model's channel
// order. Cells outside the picture (fit 'pad') are 0. y [3, height, width].
struct Params {
  grid_first: u32,
  grid_end: u32,
  picture_height: u32,
  height: u32,
  width: u32,
  origin_x: i32,
  origin_y: i32,
  resized_width: u32,
  resized_height: u32,
  scale_y: f32, // picture_height / resized_height
  reverse: u32, // 1: channels in B, G, R order
  value_scale: f32,
  mean_0: f32,
  mean_1: f32,
  mean_2: f32,
  std_0: f32,
  std_1: f32,
  std_2: f32,
}
@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  let cells = params.height * params.width;
  if (group >= params.grid_end || at >= cells) {
    return;
  }
  let column = at % params.width;
  let resized_column = i32(column) + params.origin_x;
  let resized_row = i32(at / params.width) + params.origin_y;
  var value = vec3f();
  if (resized_row >= 0 && resized_row < i32(params.resized_height) &&
    resized_column >= 0 && resized_column < i32(params.resized_width)) {
    let taps = resize_taps(f32(resized_row), params.scale_y, params.picture_height);
    var total = 0.0;
    var sum = vec3f();
    for (var i = taps.first; i < taps.end; i++) {
      let weight = resize_weight(taps, i);
      let at_row = (i * params.width + column) * 3u;
      sum = fma(vec3f(weight), vec3f(rows[at_row], rows[at_row + 1u], rows[at_row + 2u]), sum);
      total += weight;
    }
    let color = sum / total;
    let ordered = select(color, color.zyx, params.reverse == 1u);
    let mean = vec3f(params.mean_0, params.mean_1, params.mean_2);
    let deviation = vec3f(params.std_0, params.std_1, params.std_2);
    value = (ordered * params.value_scale - mean) / deviation;
  }
  y[at] = value.x;
  y[cells + at] = value.y;
  y[2u * cells + at] = value.z;
}
