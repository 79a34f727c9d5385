// Gradient of max-pooling with respect to its input.
//   DISJOINT: the windows tile the input exactly; an invocation spreads the outputs whose codes share a word (one cell of
//   several channels) over their windows, the winner getting the gradient and the others zero.
//   otherwise: an invocation makes one input cell, which gathers from the windows that it won.
// RECTIFIED: the input is a ReLU's output whose own gradient is applied here as well, through the codes' top bit.
// POSITIVE: a gradient that is not above zero becomes zero.
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
override CODE_BITS: u32 = 4u;
@group(0) @binding(0) var<storage, read> grad_y: array<f32>;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
  let out_plane = params.out_height * params.out_width;
  let per_word = 32u / CODE_BITS;
  let blocks = (params.channels + per_word - 1u) / per_word; // of channels, in a sample
  let code_mask = (1u << CODE_BITS) - 1u;
  let dead_bit = 1u << (CODE_BITS - 1u);

#if DISJOINT
  let word = group * 64u + lane;
  let sample = word / (blocks * out_plane);
  if (sample >= params.samples) {
    return;
  }
  let first = word / out_plane % blocks * per_word;
  let count = min(per_word, params.channels - first);
  let out_at = word % out_plane;
  let row = out_at / params.out_width * params.kernel;
  let column = out_at % params.out_width * params.kernel;
  let packed = codes[word];
  for (var i = 0u; i < count; i++) {
    var code = (packed >> (i * CODE_BITS)) & code_mask;
#if !RECTIFIED
    code &= ~dead_bit;
#endif
    let plane = sample * params.channels + first + i;
    var gradient = grad_y[plane * out_plane + out_at];
#if POSITIVE
    gradient = max(gradient, 0.0);
#endif
    let base = (plane * params.height + row) * params.width + column;
    for (var r = 0u; r < params.kernel; r++) {
      for (var c = 0u; c < params.kernel; c++) {
        grad_x[base + r * params.width + c] = select(0.0, gradient, code == r * params.kernel + c);
      }
    }
  }
#else
  let at = group * 64u + lane;
  if (at >= params.samples * params.channels * params.height * params.width) {
    return;
  }
  let column = at % params.width;
  let row = at / params.width % params.height;
  let plane = at / (params.width * params.height);
  let sample = plane / params.channels;
  let channel = plane % params.channels;

  // Windows that hold the cell: from ceil((row - kernel + 1) / stride) to floor(row / stride).
  let reach = params.kernel - 1u;
  let first_row = (max(row, reach) - reach + params.stride - 1u) / params.stride;
  let first_column = (max(column, reach) - reach + params.stride - 1u) / params.stride;
  var sum = 0.0;
  for (var r = first_row; r < params.out_height && r * params.stride <= row; r++) {
    for (var c = first_column; c < params.out_width && c * params.stride <= column; c++) {
      let out_at = r * params.out_width + c;
      let word = codes[(sample * blocks + channel / per_word) * out_plane + out_at];
      let code = (word >> (channel % per_word * CODE_BITS)) & code_mask;
      let place = (row - r * params.stride) * params.kernel + column - c * params.stride;
#if RECTIFIED
      let passes = code == place;
#else
      let passes = (code & ~dead_bit) == place;
#endif
      if (passes) {
        sum += grad_y[plane * out_plane + out_at];
      }
    }
  }
#if POSITIVE
  sum = max(sum, 0.0);
#endif
  grad_x[at] = sum;
#endif
}
