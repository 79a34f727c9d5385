// Bilinear resize of maps with half-pixel centres: x [maps, height, width] to y [maps, out_height, out_width].
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32,
  height: u32,
  width: u32,
  out_height: u32,
  out_width: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
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
  if (group >= params.grid_end || at >= params.maps * params.out_height * params.out_width) {
    return;
  }
  let out_column = at % params.out_width;
  let out_row = at / params.out_width % params.out_height;
  let base = at / (params.out_width * params.out_height) * params.height * params.width;
  let row = between((f32(out_row) + 0.5) * f32(params.height) / f32(params.out_height), params.height);
  let column = between((f32(out_column) + 0.5) * f32(params.width) / f32(params.out_width), params.width);
  let top = mix(x[base + row.low * params.width + column.low], x[base + row.low * params.width + column.high], column.share);
  let bottom = mix(x[base + row.high * params.width + column.low], x[base + row.high * params.width + column.high], column.share);
  y[at] = mix(top, bottom, row.share);
}
