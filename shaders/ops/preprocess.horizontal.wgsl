// First half of the resize: each row of a band of the picture to the model's width. Pixels are RGBA, 8 bits a channel,
// alpha ignored. rows [picture height][width][3], 0 … 255.
struct Params {
  grid_first: u32,
  grid_end: u32,
  picture_width: u32,
  band_rows: u32,
  band_first_row: u32,
  width: u32, // of the model's input
  origin: i32, // input column 0 is this column of the resized picture
  resized: u32, // width of the resized picture
  scale: f32, // picture_width / resized
}
@group(0) @binding(0) var<storage, read> pixels: array<u32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.band_rows * params.width) {
    return;
  }
  let row = at / params.width;
  let column = i32(at % params.width) + params.origin;
  var sum = vec3f();
  if (column >= 0 && column < i32(params.resized)) {
    let taps = resize_taps(f32(column), params.scale, params.picture_width);
    var total = 0.0;
    for (var i = taps.first; i < taps.end; i++) {
      let weight = resize_weight(taps, i);
      let pixel = pixels[row * params.picture_width + i];
      let color = vec3u(pixel & 0xffu, (pixel >> 8u) & 0xffu, (pixel >> 16u) & 0xffu);
      sum = fma(vec3f(weight), vec3f(color), sum);
      total += weight;
    }
    sum /= total;
  }
  let out = ((params.band_first_row + row) * params.width + at % params.width) * 3u;
  rows[out] = sum.x;
  rows[out + 1u] = sum.y;
  rows[out + 2u] = sum.z;
}
