// What a convolution does with its outputs while it holds them: bias, ReLU, max-pooling, and the bits that the gradient
// will need, instead of passes of their own over maps of megabytes. It works on blocks of 2 × 2 cells and 8 channels,
// whose bits fill a word:
//   mask, gate [samples, out_channels / 8, height / 2, width / 2], rounded up: whether ReLU's output was above zero; bit
//     (channel % 8) * 4 + (row % 2) * 2 + column % 2
//   codes [samples, out_channels / 8, pooled height, pooled width] as maxpool.wgsl writes them for 2 × 2 windows: 4 bits
//     a channel
// Flags: BIAS; RELU, which on the way back stops negative gradients; MASK writes the mask; POOL writes the greatest of each 2 × 2 window instead of the cells, CODES
// where it stood; GATE (backward) zeroes what the mask of another convolution's ReLU let not pass.
// The kernel's params have out_channels, and height and width of the output before pooling.
@group(0) @binding(10) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(11) var<storage, read> bias: array<f32>;
#endif
#if MASK
@group(0) @binding(12) var<storage, read_write> mask: array<u32>;
#endif
#if GATE
@group(0) @binding(12) var<storage, read> gate: array<u32>;
#endif
#if CODES
@group(0) @binding(12) var<storage, read_write> codes: array<u32>;
#endif

// Finishes 8 channels of the 2 × 2 cells from `row` and `column`, both even. aRC holds the first four channels at row + R
// and column + C, bRC the others. A block may stick out of the output or its channels.
fn store_block(
  sample: u32, block: u32, row: u32, column: u32,
  a00: vec4f, a01: vec4f, a10: vec4f, a11: vec4f, b00: vec4f, b01: vec4f, b10: vec4f, b11: vec4f,
) {
  let passes = read_gate(sample, block, row, column);
  let low = finish4(sample, block * 8u, row, column, a00, a01, a10, a11, passes);
  let high = finish4(sample, block * 8u + 4u, row, column, b00, b01, b10, b11, passes >> 16u);
  write_bits(sample, block, row, column, low | (high << 16u));
}

// The gate's word of a block; without a gate, all pass.
fn read_gate(sample: u32, block: u32, row: u32, column: u32) -> u32 {
#if GATE
  if (row >= params.height || column >= params.width) {
    return 0u;
  }
  return gate[bits_index(sample, block, row, column)];
#else
  return ~0u;
#endif
}

// Bias, ReLU, gate, pooling and store of four channels; gives their 16 bits of the block's mask or codes.
fn finish4(
  sample: u32, channel: u32, row: u32, column: u32, v00: vec4f, v01: vec4f, v10: vec4f, v11: vec4f, passes: u32,
) -> u32 {
  if (row >= params.height || column >= params.width) {
    return 0u;
  }
  return finish(sample, channel, row, column, vec4f(v00.x, v01.x, v10.x, v11.x), passes) |
    (finish(sample, channel + 1u, row, column, vec4f(v00.y, v01.y, v10.y, v11.y), passes >> 4u) << 4u) |
    (finish(sample, channel + 2u, row, column, vec4f(v00.z, v01.z, v10.z, v11.z), passes >> 8u) << 8u) |
    (finish(sample, channel + 3u, row, column, vec4f(v00.w, v01.w, v10.w, v11.w), passes >> 12u) << 12u);
}

fn finish(sample: u32, channel: u32, row: u32, column: u32, sums: vec4f, passes: u32) -> u32 {
  if (channel >= params.out_channels) {
    return 0u;
  }
  var v = sums;
#if BIAS
  v += vec4f(bias[channel]);
#endif
#if RELU
  v = rectify4(v);
#endif
#if GATE
  v = select(vec4f(), v, (vec4u(passes) & vec4u(1u, 2u, 4u, 8u)) != vec4u());
#endif
  let plane = sample * params.out_channels + channel;
  let has_right = column + 1u < params.width;
  let has_below = row + 1u < params.height;
#if POOL
  // Windows that stick out have no output.
  if (!has_right || !has_below) {
    return 0u;
  }
  var best = v.x;
  var winner = 0u;
  if (v.y > best) {
    best = v.y;
    winner = 1u;
  }
  if (v.z > best) {
    best = v.z;
    winner = 2u;
  }
  if (v.w > best) {
    best = v.w;
    winner = 3u;
  }
  y[(plane * (params.height / 2u) + row / 2u) * (params.width / 2u) + column / 2u] = best;
  return select(winner | 8u, winner, best > 0.0);
#else
  let at = (plane * params.height + row) * params.width + column;
  y[at] = v.x;
  if (has_right) {
    y[at + 1u] = v.y;
  }
  if (has_below) {
    y[at + params.width] = v.z;
  }
  if (has_right && has_below) {
    y[at + params.width + 1u] = v.w;
  }
  let above_zero = (v > vec4f()) & vec4<bool>(true, has_right, has_below, has_right && has_below);
  return dot(select(vec4u(), vec4u(1u, 2u, 4u, 8u), above_zero), vec4u(1u));
#endif
}

fn write_bits(sample: u32, block: u32, row: u32, column: u32, bits: u32) {
#if MASK
  if (row < params.height && column < params.width) {
    mask[bits_index(sample, block, row, column)] = bits;
  }
#endif
#if CODES
  if (row + 1u < params.height && column + 1u < params.width) {
    codes[bits_index(sample, block, row, column)] = bits;
  }
#endif
}

fn bits_index(sample: u32, block: u32, row: u32, column: u32) -> u32 {
#if POOL
  let size = vec2u(params.height, params.width) / 2u;
#else
  let size = (vec2u(params.height, params.width) + 1u) / 2u;
#endif
  let blocks = (params.out_channels + 7u) / 8u;
  return ((sample * blocks + block) * size.x + row / 2u) * size.y + column / 2u;
}
