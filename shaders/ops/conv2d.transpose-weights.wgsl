// From a convolution's packed weights [out / 8][in][taps][8] to those of its backward pass, [in / 8][out][taps][8] with
// the taps rotated by half a turn, as bits: of float32, or two of float16 in a word (FLOAT16). Channels beyond in_channels
// are zero. An invocation writes a word.
struct Params {
  grid_first: u32,
  grid_end: u32,
  in_channels: u32,
  out_channels: u32,
  taps: u32,
}
@group(0) @binding(0) var<storage, read> weights: array<u32>;
@group(0) @binding(1) var<storage, read_write> transposed: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

#if FLOAT16
const PER_WORD = 2u;
#else
const PER_WORD = 1u;
#endif

fn bits_of(at: u32) -> u32 {
  let tap = (at / 8u) % params.taps;
  let out_channel = (at / (8u * params.taps)) % params.out_channels;
  let in_channel = at / (8u * params.taps * params.out_channels) * 8u + at % 8u;
  if (in_channel >= params.in_channels) {
    return 0u;
  }
  let block = out_channel / 8u;
  let rotated = params.taps - 1u - tap;
  let origin = ((block * params.in_channels + in_channel) * params.taps + rotated) * 8u + out_channel % 8u;
#if FLOAT16
  return (weights[origin / 2u] >> (origin % 2u * 16u)) & 0xffffu;
#else
  return weights[origin];
#endif
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  let blocks = (params.in_channels + 7u) / 8u;
  if (group >= params.grid_end || at >= blocks * params.out_channels * params.taps * 8u / PER_WORD) {
    return;
  }
#if FLOAT16
  transposed[at] = bits_of(2u * at) | (bits_of(2u * at + 1u) << 16u);
#else
  transposed[at] = bits_of(at);
#endif
}
