// Copies of feature maps that lack one map each (Ablation-CAM, Desai and Ramaswamy 2020): y[m] is `activations` with map
// `first` + m set to zero. An invocation writes one cell of one copy.
struct Params {
  grid_first: u32,
  grid_end: u32,
  first: u32,
  copies: u32,
  maps: u32,
  cells: u32, // of one map
}
@group(0) @binding(0) var<storage, read> activations: array<f32>;
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
  let elements = params.maps * params.cells;
  if (group >= params.grid_end || at >= params.copies * elements) {
    return;
  }
  let element = at % elements;
  let lacking = params.first + at / elements;
  y[at] = select(activations[element], 0.0, element / params.cells == lacking);
}
