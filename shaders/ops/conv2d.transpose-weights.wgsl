// From a convolution's packed weights [out / 8][in][taps][8] to those of its backward pass, [in / 8][out][taps][8] with
// the taps rotated by half a turn. Channels beyond in_channels are zero.
struct Params {
  grid_first: u32,
  grid_end: u32,
  in_channels: u32,
  out_channels: u32,
  taps: u32,
}
@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> transposed: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  let blocks = (params.in_channels + 7u) / 8u;
  if (group >= params.grid_end || at >= blocks * params.out_channels * params.taps * 8u) {
    return;
  }
  let tap = (at / 8u) % params.taps;
  let out_channel = (at / (8u * params.taps)) % params.out_channels;
  let in_channel = at / (8u * params.taps * params.out_channels) * 8u + at % 8u;
  var value = 0.0;
  if (in_channel < params.in_channels) {
    let block = out_channel / 8u;
    let rotated = params.taps - 1u - tap;
    value = weights[((block * params.in_channels + in_channel) * params.taps + rotated) * 8u + out_channel % 8u];
  }
  transposed[at] = value;
}
