#if HALF
enable f16;
#endif
// Convolution with 3×3 kernels, stride 1 and padding 1, for GPUs: a matrix product, output channels by cells, over input
// channels and taps, whose right side is gathered from the input as it goes. Also the input gradient of such a
// convolution, with the weights of conv2d.transpose-weights.wgsl.
//
// Two levels of tiles. A workgroup computes CHANNELS output channels of QUADS quads of 2×2 cells, and keeps STEP input
// channels at a time in workgroup memory: their weights, and the patch of the input that the quads see, once for all nine
// taps. An invocation holds 8 channels of one quad in registers, or of two (TWO_QUADS), for which a weight that it reads
// serves 8 multiply-adds instead of 4.
//
// Quads are numbered along lines of params.line_quads, down a strip of that width, then strip by strip and sample by
// sample; a workgroup takes QUADS in a row wherever these begin, so that none is idle but in the last. The patch is kept
// in pairs of rows: line r of a strip reads the pairs r (rows 2r - 1 and 2r) and r + 1, and a strip of n lines has n + 1.
//
// Each output is summed in the order of the other direct 3×3 kernels, to the same bits.
//
// HALF: products in float16, of weights in float16 and of cells that are rounded to it as they are loaded; those of STEP
// channels, 36, are summed in float16, the rest in float32. So that neither the sums overflow nor small gradients vanish,
// each sample's cells are scaled by a power of two, which is undone exactly: see conv2d.magnitude.wgsl.
// Input x [samples, in_channels, height, width]; weights packed [out_channels / 8][in_channels][9][8]; what becomes of
// the outputs is in conv-output.wgsl.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  in_channels: u32,
  out_channels: u32,
  height: u32,
  width: u32,
  line_quads: u32,
#if HALF
  parts: u32, // of a sample's magnitudes, a multiple of 4
  most: i32, // scaled cells are below 2^most
#endif
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<StoredWeights>;
@group(0) @binding(2) var<uniform> params: Params;
#if HALF
@group(0) @binding(3) var<storage, read> magnitudes: array<vec4u>; // [samples][parts], the bits of the greatest |x|

alias Number = f16;
#else
alias Number = f32;
#endif

// A multiple of 8.
override CHANNELS: u32;
#if QUADS_16
const QUADS = 16u;
#else
const QUADS = 32u;
#endif
const STEP = 4u;
// Input channels whose products are summed on their own before they join the total.
#if HALF
const SUMMED = STEP;
#else
const SUMMED = SUM_CHANNELS;
#endif
// Room for every other row of the patch, in twos of neighbouring cells: the host chooses lines for which it is enough.
const PATCH = 3u * QUADS;
#if TWO_QUADS
const QUADS_PER_INVOCATION = 2u;
#else
const QUADS_PER_INVOCATION = 1u;
#endif
override CHANNEL_BLOCKS = CHANNELS / 8u;
override INVOCATIONS = CHANNEL_BLOCKS * QUADS / QUADS_PER_INVOCATION;

// Of a block of 8 output channels and an input channel: two vectors for each tap. Neighbouring blocks lie 18 vectors
// apart, so that the lanes of a subgroup, which have up to four of them, read from different banks.
var<workgroup> tile_weights: array<array<vec4<Number>, 18>, STEP * CHANNEL_BLOCKS>;
// First the upper rows of all pairs, then the lower ones: the 8 quads that a subgroup has side by side, also those of two
// lines, then lie in different banks.
var<workgroup> cells: array<array<vec2<Number>, 2u * PATCH>, STEP>;
// Where the patch's cells lie in x: index of the right one of two in the first channel, and which of them is in the
// picture. Each invocation reads the places that it wrote.
var<workgroup> places: array<u32, 2u * PATCH>;
#if HALF
// The scale of each place's sample.
var<workgroup> scales: array<f32, 2u * PATCH>;
#endif
const LEFT_INSIDE = 0x80000000u;
const RIGHT_INSIDE = 0x40000000u;

// 8 channels of a quad: aRC are the first four at row R and column C, bRC the others.
struct Sums {
  a00: vec4<Number>, a01: vec4<Number>, a10: vec4<Number>, a11: vec4<Number>,
  b00: vec4<Number>, b01: vec4<Number>, b10: vec4<Number>, b11: vec4<Number>,
}

struct Totals {
  a00: vec4f, a01: vec4f, a10: vec4f, a11: vec4f,
  b00: vec4f, b01: vec4f, b10: vec4f, b11: vec4f,
}

fn add(t: Totals, s: Sums) -> Totals {
  return Totals(
    t.a00 + vec4f(s.a00), t.a01 + vec4f(s.a01), t.a10 + vec4f(s.a10), t.a11 + vec4f(s.a11),
    t.b00 + vec4f(s.b00), t.b01 + vec4f(s.b01), t.b10 + vec4f(s.b10), t.b11 + vec4f(s.b11),
  );
}

#if HALF
// Exponent field of the power of two that brings a sample's cells below 2^most.
fn scale_field(sample: u32) -> u32 {
  var greatest = vec4u();
  for (var i = 0u; i < params.parts / 4u; i++) {
    greatest = max(greatest, magnitudes[sample * params.parts / 4u + i]);
  }
  let both = max(greatest.xy, greatest.zw);
  let above = scale_exponent(bitcast<f32>(max(both.x, both.y)));
  return u32(clamp(254 + params.most - i32(above), 1, 253));
}

fn unscale(t: Totals, sample: u32) -> Totals {
  let s = power_of_two(254u - scale_field(sample));
  return Totals(
    s * t.a00, s * t.a01, s * t.a10, s * t.a11, s * t.b00, s * t.b01, s * t.b10, s * t.b11,
  );
}
#endif

// The weights of the three taps of a row of the kernel: first four channels, other four.
struct Taps {
  a0: vec4<Number>, b0: vec4<Number>,
  a1: vec4<Number>, b1: vec4<Number>,
  a2: vec4<Number>, b2: vec4<Number>,
}

fn read_taps(at: u32, kernel_row: u32) -> Taps {
  let first = kernel_row * 6u;
  return Taps(
    tile_weights[at][first], tile_weights[at][first + 1u],
    tile_weights[at][first + 2u], tile_weights[at][first + 3u],
    tile_weights[at][first + 4u], tile_weights[at][first + 5u],
  );
}

// The 4×4 cells of one input channel that a quad reads, a vector for each row.
struct Window {
  row0: vec4<Number>, row1: vec4<Number>, row2: vec4<Number>, row3: vec4<Number>,
}

fn read_window(k: u32, at: u32) -> Window {
  let next_pair = at + params.line_quads + 1u;
  return Window(
    vec4<Number>(cells[k][at], cells[k][at + 1u]),
    vec4<Number>(cells[k][at + PATCH], cells[k][at + PATCH + 1u]),
    vec4<Number>(cells[k][next_pair], cells[k][next_pair + 1u]),
    vec4<Number>(cells[k][next_pair + PATCH], cells[k][next_pair + PATCH + 1u]),
  );
}

// Three taps; `upper` and `lower` are the rows of the window under them for the quad's two rows.
fn add_row(sums: Sums, w: Taps, upper: vec4<Number>, lower: vec4<Number>) -> Sums {
  var s = add_tap(sums, w.a0, w.b0, upper.xy, lower.xy);
  s = add_tap(s, w.a1, w.b1, upper.yz, lower.yz);
  return add_tap(s, w.a2, w.b2, upper.zw, lower.zw);
}

fn add_tap(
  s: Sums, a: vec4<Number>, b: vec4<Number>, upper: vec2<Number>, lower: vec2<Number>,
) -> Sums {
  let upper_x = vec4<Number>(upper.x);
  let upper_y = vec4<Number>(upper.y);
  let lower_x = vec4<Number>(lower.x);
  let lower_y = vec4<Number>(lower.y);
  return Sums(
    fma(a, upper_x, s.a00), fma(a, upper_y, s.a01), fma(a, lower_x, s.a10), fma(a, lower_y, s.a11),
    fma(b, upper_x, s.b00), fma(b, upper_y, s.b01), fma(b, lower_x, s.b10), fma(b, lower_y, s.b11),
  );
}

// Where a quad is in the output, and where its window begins in an upper row of the patch.
struct Quad {
  sample: u32,
  row: u32,
  column: u32,
  at: u32,
}

fn strip_lines() -> u32 {
  return (params.height + 1u) / 2u;
}

fn strips() -> u32 {
  return ((params.width + 1u) / 2u + params.line_quads - 1u) / params.line_quads;
}

// The pair of rows that a line begins with, counted over all strips; lines are counted so too.
fn first_pair(line: u32) -> u32 {
  return line + line / strip_lines();
}

fn find_quad(quad: u32, patch_pair: u32) -> Quad {
  let line = quad / params.line_quads;
  let strip = line / strip_lines();
  return Quad(
    strip / strips(),
    line % strip_lines() * 2u,
    (strip % strips() * params.line_quads + quad % params.line_quads) * 2u,
    (first_pair(line) - patch_pair) * (params.line_quads + 1u) + quad % params.line_quads,
  );
}

#if HALF
fn sample_of(pair: u32) -> u32 {
  return pair / (strip_lines() + 1u) / strips();
}
#endif

// The place of cells 2 * two - 1 and 2 * two of a line, in the upper (0) or lower (1) row of a pair.
fn find_place(pair: u32, lower: u32, two: u32) -> u32 {
  let strip = pair / (strip_lines() + 1u);
  let row_below = pair % (strip_lines() + 1u) * 2u + lower;
  let column = (strip % strips() * params.line_quads + two) * 2u;
  if (row_below == 0u || row_below > params.height) {
    return 0u;
  }
  let sample_at = strip / strips() * params.in_channels * params.height * params.width;
  let at = sample_at + (row_below - 1u) * params.width + column;
  return at | select(0u, LEFT_INSIDE, column > 0u && column <= params.width) |
    select(0u, RIGHT_INSIDE, column < params.width);
}

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
  // Workgroups that run at the same time read the same patches, and all weights of a few input channels.
  let channel_tiles = (params.out_channels + CHANNELS - 1u) / CHANNELS;
  let first_block = group % channel_tiles * CHANNEL_BLOCKS;
  let first_quad = group / channel_tiles * QUADS;
  let quads = params.samples * strips() * strip_lines() * params.line_quads;
  let last_quad = min(first_quad + QUADS, quads) - 1u;

  let patch_pair = first_pair(first_quad / params.line_quads);
  let patch_pairs = first_pair(last_quad / params.line_quads) + 2u - patch_pair;
  let row_twos = params.line_quads + 1u;
  let patch_twos = patch_pairs * row_twos;
  for (var i = lane; i < 2u * patch_twos; i += INVOCATIONS) {
    let lower = i / patch_twos;
    let two = i % patch_twos;
    let pair = patch_pair + two / row_twos;
    places[i] = find_place(pair, lower, two % row_twos);
#if HALF
    scales[i] = power_of_two(scale_field(sample_of(pair)));
#endif
  }

  // A subgroup of 32 has 8 quads by 4 blocks of channels. Those beyond the last quad repeat it and store nothing.
  let block = lane / 8u % CHANNEL_BLOCKS;
  let own_quad = first_quad + lane / (8u * CHANNEL_BLOCKS) * 8u + lane % 8u;
  let quad = find_quad(min(own_quad, last_quad), patch_pair);
  var total = Totals();
#if TWO_QUADS
  let own_quad_2 = own_quad + QUADS / 2u;
  let quad_2 = find_quad(min(own_quad_2, last_quad), patch_pair);
  var total_2 = Totals();
#endif

  for (var first_summed = 0u; first_summed < params.in_channels; first_summed += SUMMED) {
    let summed_end = min(first_summed + SUMMED, params.in_channels);
    var s = Sums();
#if TWO_QUADS
    var s_2 = Sums();
#endif
    for (var first = first_summed; first < summed_end; first += STEP) {
      let channels = min(STEP, summed_end - first);
      workgroupBarrier();
      load_weights(first_block, first, channels, lane);
      load_patch(patch_twos, first, channels, lane);
      workgroupBarrier();
      for (var k = 0u; k < channels; k++) {
        let window = read_window(k, quad.at);
#if TWO_QUADS
        let window_2 = read_window(k, quad_2.at);
#endif
        let w = k * CHANNEL_BLOCKS + block;
        var taps = read_taps(w, 0u);
        s = add_row(s, taps, window.row0, window.row1);
#if TWO_QUADS
        s_2 = add_row(s_2, taps, window_2.row0, window_2.row1);
#endif
        taps = read_taps(w, 1u);
        s = add_row(s, taps, window.row1, window.row2);
#if TWO_QUADS
        s_2 = add_row(s_2, taps, window_2.row1, window_2.row2);
#endif
        taps = read_taps(w, 2u);
        s = add_row(s, taps, window.row2, window.row3);
#if TWO_QUADS
        s_2 = add_row(s_2, taps, window_2.row2, window_2.row3);
#endif
      }
    }
    total = add(total, s);
#if TWO_QUADS
    total_2 = add(total_2, s_2);
#endif
  }

  store(own_quad, last_quad, quad, first_block + block, total);
#if TWO_QUADS
  store(own_quad_2, last_quad, quad_2, first_block + block, total_2);
#endif
}

fn store(own_quad: u32, last_quad: u32, quad: Quad, block: u32, total: Totals) {
  if (own_quad <= last_quad && block * 8u < params.out_channels) {
#if HALF
    let t = unscale(total, quad.sample);
#else
    let t = total;
#endif
    store_block(quad.sample, block, quad.row, quad.column, t.a00, t.a01, t.a10, t.a11, t.b00, t.b01, t.b10, t.b11);
  }
}

// `channels` input channels from `first` on, of the workgroup's blocks of output channels. Packed weights have them side
// by side.
fn load_weights(first_block: u32, first: u32, channels: u32, lane: u32) {
  let blocks = min((params.out_channels + 7u) / 8u - first_block, CHANNEL_BLOCKS);
  for (var i = lane; i < blocks * STEP * 18u; i += INVOCATIONS) {
    let block = i / (STEP * 18u);
    let k = i / 18u % STEP;
    if (k < channels) {
      let at = ((first_block + block) * params.in_channels + first) * 18u + i % (STEP * 18u);
#if HALF
      tile_weights[k * CHANNEL_BLOCKS + block][i % 18u] = bitcast<vec4<f16>>(weights[at]);
#else
      tile_weights[k * CHANNEL_BLOCKS + block][i % 18u] = widen(weights[at]);
#endif
    }
  }
}

fn load_patch(patch_twos: u32, first: u32, channels: u32, lane: u32) {
  let plane = params.height * params.width;
  for (var i = lane; i < 2u * patch_twos; i += INVOCATIONS) {
    let place = places[i];
    let right_at = first * plane + (place & ~(LEFT_INSIDE | RIGHT_INSIDE));
    let at = select(i, i - patch_twos + PATCH, i >= patch_twos);
    for (var k = 0u; k < channels; k++) {
      var two = vec2f();
      if ((place & LEFT_INSIDE) != 0u) {
        two.x = x[right_at + k * plane - 1u];
      }
      if ((place & RIGHT_INSIDE) != 0u) {
        two.y = x[right_at + k * plane];
      }
#if HALF
      cells[k][at] = vec2<f16>(two * scales[i]);
#else
      cells[k][at] = two;
#endif
    }
  }
}
