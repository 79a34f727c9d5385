// Filters of a Winograd convolution, G g Gᵀ of every pair of channels, from a convolution's packed weights
// [out_channels / 8][in_channels][9][8]: filters [PATCH²][out_channels / 4][in_channels / 4 · 4][4], both rounded up, zero
// beyond the channels. An invocation makes those of 4 output channels and one input channel.
struct Params {
  grid_first: u32,
  grid_end: u32,
  in_channels: u32,
  out_channels: u32,
}
@group(0) @binding(0) var<storage, read> weights: array<StoredWeights>;
@group(0) @binding(1) var<storage, read_write> filters: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

alias Cell = vec4f;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let in_padded = (params.in_channels + 3u) / 4u * 4u;
  let out_quads = (params.out_channels + 3u) / 4u;
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= out_quads * in_padded) {
    return;
  }
  let channel = at % in_padded;
  let quad = at / in_padded;
  let is_channel = channel < params.in_channels;
  let first = ((quad / 2u * params.in_channels + min(channel, params.in_channels - 1u)) * 9u) * 2u + quad % 2u;

  var columns: array<Patch, 3>;
  for (var column = 0u; column < 3u; column++) {
    let top = first + column * 2u;
    columns[column] = transform_filter(widen(weights[top]), widen(weights[top + 6u]), widen(weights[top + 12u]));
  }
  let plane = out_quads * in_padded;
  for (var row = 0u; row < PATCH; row++) {
    let line = transform_filter(columns[0][row], columns[1][row], columns[2][row]);
    for (var column = 0u; column < PATCH; column++) {
      filters[(row * PATCH + column) * plane + at] = select(vec4f(), line[column], is_channel);
    }
  }
}
