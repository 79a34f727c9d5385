// The mean of each feature map: y[map] = scale * the sum over the map's cells of x[map][cell], in the order of the cells. The
// maps of all samples lie one behind the other. scale is 1 / cells, rounded by the host: a division may round differently on
// each device.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32, // of all samples
  cells: u32,
  scale: f32,
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
  if (group >= params.grid_end || at >= params.maps) {
    return;
  }
  var sum = 0.0;
  for (var cell = 0u; cell < params.cells; cell++) {
    sum += x[at * params.cells + cell];
  }
  y[at] = params.scale * sum;
}
