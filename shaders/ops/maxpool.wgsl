// Max-pooling without padding. A code is the winner's place in the window, row by row, the first of equals winning, with
// the top bit set where the winner is not above zero (behind a ReLU no gradient passes there). An invocation computes the
// outputs whose codes share a word: those of 32 / CODE_BITS neighbouring channels, so that a convolution with 8 channels
// of a window in its registers can write the same word (conv-output.wgsl).
// codes [samples, channels / (32 / CODE_BITS), out_height, out_width], rounded up.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  channels: u32,
  height: u32,
  width: u32,
  out_height: u32,
  out_width: u32,
  kernel: u32,
  stride: u32,
}
override CODE_BITS: u32 = 4u; // 4 for windows of up to 8 cells, else 8
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
#if CODES
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;
#endif
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let word = group * 64u + lane;
  let per_word = 32u / CODE_BITS;
  let blocks = (params.channels + per_word - 1u) / per_word; // of channels, in a sample
  let out_plane = params.out_height * params.out_width;
  let sample = word / (blocks * out_plane);
  if (group >= params.grid_end || sample >= params.samples) {
    return;
  }
  let first = word / out_plane % blocks * per_word;
  let count = min(per_word, params.channels - first);
  let out_at = word % out_plane;
  let row = out_at / params.out_width * params.stride;
  let column = out_at % params.out_width * params.stride;
  var packed = 0u;
  for (var i = 0u; i < count; i++) {
    let plane = sample * params.channels + first + i;
    let base = (plane * params.height + row) * params.width + column;
    var best = x[base];
    var winner = 0u;
    for (var r = 0u; r < params.kernel; r++) {
      for (var c = 0u; c < params.kernel; c++) {
        let value = x[base + r * params.width + c];
        if (value > best) {
          best = value;
          winner = r * params.kernel + c;
        }
      }
    }
    y[plane * out_plane + out_at] = best;
    let dead = select(1u << (CODE_BITS - 1u), 0u, best > 0.0);
    packed |= (winner | dead) << (i * CODE_BITS);
  }
#if CODES
  codes[word] = packed;
#endif
}
