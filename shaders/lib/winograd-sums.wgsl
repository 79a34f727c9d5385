// The matrix products of a Winograd convolution: 4 output channels of 4 tiles at a time, in registers. Steps of the loop take 4 input
// channels, with PAIRS only 2: for lavapipe, whose loads are so many instructions that a core cannot hold the loop otherwise.
// TRANSPOSED exchanges the filters' two kinds of channels.
// Each sum is taken in the same order in every kernel (blocks of channels, channels): all give the same bits.

// Input channels of a step.
#if PAIRS
alias Channels = vec2f;
const STEPS_OF_QUAD = 2u;
#else
alias Channels = vec4f;
const STEPS_OF_QUAD = 1u;
#endif

// Steps whose products are summed on their own before they join the total: rounding errors then grow with the square root of
// 32 + 16 terms instead of 512, at the price of one addition in 32.
const SUM_STEPS = 8u * STEPS_OF_QUAD;

// 4 output channels of 4 tiles, a column for each tile.
alias Sums = mat4x4f;

// Filters of 4 output channels and a step's input channels: a column for each input channel, with TRANSPOSED for each output
// channel.
#if PAIRS
#if TRANSPOSED
alias Filters = mat4x2f;
#else
alias Filters = mat2x4f;
#endif
#else
alias Filters = mat4x4f;
#endif

// The channels of 4 tiles.
#if PAIRS
alias Patches = mat4x2f;
#else
alias Patches = mat4x4f;
#endif

#if TRANSPOSED
fn chain(sum: f32, v: Channels, u: Channels) -> f32 {
  let two = fma(u.y, v.y, fma(u.x, v.x, sum));
#if PAIRS
  return two;
#else
  return fma(u.w, v.w, fma(u.z, v.z, two));
#endif
}
#endif

// Adds the input channels of one tile.
fn add(sum: vec4f, v: Channels, u: Filters) -> vec4f {
#if TRANSPOSED
  return vec4f(chain(sum.x, v, u[0]), chain(sum.y, v, u[1]), chain(sum.z, v, u[2]), chain(sum.w, v, u[3]));
#else
  let two = fma(u[1], vec4f(v.y), fma(u[0], vec4f(v.x), sum));
#if PAIRS
  return two;
#else
  return fma(u[3], vec4f(v.w), fma(u[2], vec4f(v.z), two));
#endif
#endif
}

fn add4(sums: Sums, v: Patches, u: Filters) -> Sums {
  return Sums(add(sums[0], v[0], u), add(sums[1], v[1], u), add(sums[2], v[2], u), add(sums[3], v[3], u));
}
