// The picture with the heat map over it, row by row of a band of the picture. The map is resized bilinearly to its view
// (the rectangle of the picture that the model saw), looked up in a colour map of 256 entries, and blended in. Outside
// the view the picture stays as it is. Pixels are RGBA, 8 bits a channel, one word a pixel.
struct Params {
  grid_first: u32,
  grid_end: u32,
  width: u32,
  rows: u32, // of this band
  first_row: u32, // of this band in the picture
  map_height: u32,
  map_width: u32,
  map_index: u32,
  view_left: f32, // in picture pixels
  view_top: f32,
  view_width: f32,
  view_height: f32,
  low: f32, // map value shown as the first colour
  high: f32, // and as the last; high > low
  opacity: f32,
}
@group(0) @binding(0) var<storage, read> picture: array<u32>;
@group(0) @binding(1) var<storage, read> heat: array<f32>;
@group(0) @binding(2) var<storage, read> colors: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.rows * params.width) {
    return;
  }
  let pixel = picture[at];
  // The model ignores transparency, and so does its overlay.
  let color = unpack4x8unorm(pixel).rgb;
  let u = (f32(at % params.width) + 0.5 - params.view_left) / params.view_width;
  let v = (f32(params.first_row + at / params.width) + 0.5 - params.view_top) / params.view_height;
  if (u < 0.0 || u > 1.0 || v < 0.0 || v > 1.0) {
    result[at] = pack4x8unorm(vec4f(color, 1.0));
    return;
  }
  let row = between(v * f32(params.map_height), params.map_height);
  let column = between(u * f32(params.map_width), params.map_width);
  let base = params.map_index * params.map_height * params.map_width;
  let top = base + row.low * params.map_width;
  let bottom = base + row.high * params.map_width;
  let value = mix(
    mix(heat[top + column.low], heat[top + column.high], column.share),
    mix(heat[bottom + column.low], heat[bottom + column.high], column.share),
    row.share,
  );
  let level = clamp((value - params.low) / (params.high - params.low), 0.0, 1.0);
  let hue = unpack4x8unorm(colors[u32(round(level * 255.0))]).rgb;
  result[at] = pack4x8unorm(vec4f(mix(color, hue, params.opacity), 1.0));
}
