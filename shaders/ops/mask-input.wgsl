// Masked copies of the model's input (Score-CAM, Wang et al. 2020): y[m] = x ⊙ H, where H is feature map `first` + m enlarged
// to the input's size and brought to 0 … 1 by its lowest and highest value; the copy of a map that is constant is zero. An
// invocation writes all channels of one place.
struct Params {
  grid_first: u32,
  grid_end: u32,
  first: u32,
  copies: u32,
  channels: u32,
  height: u32, // of a feature map
  width: u32,
  out_height: u32, // of the input
  out_width: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> activations: array<f32>;
@group(0) @binding(2) var<storage, read> ranges: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  let places = params.out_height * params.out_width;
  if (group >= params.grid_end || at >= params.copies * places) {
    return;
  }
  let place = at % places;
  let copy = at / places;
  let map = params.first + copy;
  var share = 0.0;
  if (is_mask(ranges[map])) {
    let value = enlarged(map, place / params.out_width, place % params.out_width);
    share = clamp((value - ranges[map].x) / (ranges[map].y - ranges[map].x), 0.0, 1.0);
  }
  for (var channel = 0u; channel < params.channels; channel++) {
    y[(copy * params.channels + channel) * places + place] = share * x[channel * places + place];
  }
}
