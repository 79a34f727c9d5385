// Flatten in H, W, C order (Keras): y[(h * width + w) * channels + c] = x[c][h][w]. INVERSE goes back, which is the
// gradient with respect to the input. The C, H, W order (torch) needs no kernel: the bytes are the same.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  channels: u32,
  cells: u32, // height * width
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
  let elements = params.channels * params.cells;
  if (group >= params.grid_end || at >= params.samples * elements) {
    return;
  }
  let base = at / elements * elements;
  let cell = at % params.cells;
  let channel = at % elements / params.cells;
  let planar = at;
  let interleaved = base + cell * params.channels + channel;
#if INVERSE
  y[planar] = x[interleaved];
#else
  y[interleaved] = x[planar];
#endif
}
