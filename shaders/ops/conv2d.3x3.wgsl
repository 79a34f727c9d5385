#if SUBGROUPS
enable subgroups;
#endif
// Convolution with 3×3 kernels, stride 1 and padding 1, register-tiled: an invocation holds a tile of outputs and reads
// its patch of the input once per input channel, so that one load serves up to nine multiply-adds. Two tiles:
//   4 × 4 outputs of 4 channels, the best without subgroups, and
//   2 × 2 outputs of 8 channels (SUBGROUPS), where the lanes of a subgroup load different weights and broadcast them:
//     4 lanes with SUBGROUP_4, else 8.
// Each output is summed in the same order in every variant (blocks of channels, channels, taps): all give the same bits.
// Also the input gradient of such a convolution, with the weights of conv2d.transpose-weights.wgsl.
// Input x [samples, in_channels, height, width]; weights packed [out_channels / 8][in_channels][9][8];
// output y [samples, out_channels, height, width].
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  in_channels: u32,
  out_channels: u32,
  height: u32,
  width: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif
@group(0) @binding(4) var<uniform> params: Params;

fn load4(base: u32, at: vec4u, inside: vec4<bool>) -> vec4f {
  return select(vec4f(), vec4f(x[base + at.x], x[base + at.y], x[base + at.z], x[base + at.w]), inside);
}

fn load2(base: u32, at: vec2u, inside: vec2<bool>) -> vec2f {
  return select(vec2f(), vec2f(x[base + at.x], x[base + at.y]), inside);
}

// The nine taps of one output, for four channels: rows of the window from top to bottom.
fn window(
  sum: vec4f, top: vec3f, middle: vec3f, bottom: vec3f,
  w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f, w4: vec4f, w5: vec4f, w6: vec4f, w7: vec4f, w8: vec4f,
) -> vec4f {
  var s = fma(w0, vec4f(top.x), sum);
  s = fma(w1, vec4f(top.y), s);
  s = fma(w2, vec4f(top.z), s);
  s = fma(w3, vec4f(middle.x), s);
  s = fma(w4, vec4f(middle.y), s);
  s = fma(w5, vec4f(middle.z), s);
  s = fma(w6, vec4f(bottom.x), s);
  s = fma(w7, vec4f(bottom.y), s);
  return fma(w8, vec4f(bottom.z), s);
}

fn store(channel: u32, base: u32, position: u32, value: f32) {
  if (channel >= params.out_channels) {
    return;
  }
  var v = value;
#if BIAS
  v += bias[channel];
#endif
#if RELU
  v = rectify(v);
#endif
  y[base + channel * params.height * params.width + position] = v;
}

// Four channels of the output at `row`, `column`; a tile may stick out of the picture.
fn store4(channel: u32, base: u32, row: u32, column: u32, values: vec4f) {
  if (row >= params.height || column >= params.width) {
    return;
  }
  let position = row * params.width + column;
  store(channel, base, position, values.x);
  store(channel + 1u, base, position, values.y);
  store(channel + 2u, base, position, values.z);
  store(channel + 3u, base, position, values.w);
}

#if !SUBGROUPS
const TILE = 4u;
const CHANNEL_BLOCKS_OF_4 = 1u;
#else
const TILE = 2u;
const CHANNEL_BLOCKS_OF_4 = 2u;
#endif
// Input channels whose products are summed on their own before they join the total: rounding errors then grow with the
// square root of 72 + 64 terms instead of 4608, at the price of one addition in 72.
const SUM_CHANNELS = 8u;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
#if SUBGROUPS
  @builtin(subgroup_invocation_id) sub_lane: u32,
#endif
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
  let tiles_x = (params.width + TILE - 1u) / TILE;
  let tiles_y = (params.height + TILE - 1u) / TILE;
  let tiles = params.samples * tiles_y * tiles_x;
  let tile_groups = (tiles + 63u) / 64u;
  let own_tile = (group % tile_groups) * 64u + lane;
  // Lanes beyond the last tile repeat it and store nothing: broadcasts need every lane.
  let tile = min(own_tile, tiles - 1u);
  let block = group / tile_groups;
  let column = (tile % tiles_x) * TILE;
  let row = (tile / tiles_x) % tiles_y;
  let sample = tile / (tiles_x * tiles_y);
  let plane = params.height * params.width;

  // Where the patch lies, and which of it is inside the picture: the tile with a border of one.
  let height = i32(params.height);
  let width = i32(params.width);
  let first_row = i32(row * TILE) - 1;
  let columns = vec4i(i32(column) - 1) + vec4i(0, 1, 2, 3);
  let column_inside = (columns >= vec4i(0)) & (columns < vec4i(width));
  let column_at = vec4u(clamp(columns, vec4i(0), vec4i(width - 1)));
#if !SUBGROUPS
  let columns_b = columns.xy + vec2i(4);
  let column_inside_b = columns_b < vec2i(width);
  let column_at_b = vec2u(clamp(columns_b, vec2i(0), vec2i(width - 1)));
#endif
  let row_inside0 = first_row + 0 >= 0 && first_row + 0 < height;
  let row_at0 = u32(clamp(first_row + 0, 0, height - 1)) * params.width;
  let row_inside1 = first_row + 1 >= 0 && first_row + 1 < height;
  let row_at1 = u32(clamp(first_row + 1, 0, height - 1)) * params.width;
  let row_inside2 = first_row + 2 >= 0 && first_row + 2 < height;
  let row_at2 = u32(clamp(first_row + 2, 0, height - 1)) * params.width;
  let row_inside3 = first_row + 3 >= 0 && first_row + 3 < height;
  let row_at3 = u32(clamp(first_row + 3, 0, height - 1)) * params.width;
#if !SUBGROUPS
  let row_inside4 = first_row + 4 >= 0 && first_row + 4 < height;
  let row_at4 = u32(clamp(first_row + 4, 0, height - 1)) * params.width;
  let row_inside5 = first_row + 5 >= 0 && first_row + 5 < height;
  let row_at5 = u32(clamp(first_row + 5, 0, height - 1)) * params.width;
#endif

#if !SUBGROUPS
  var total_s00 = vec4f();
  var total_s01 = vec4f();
  var total_s02 = vec4f();
  var total_s03 = vec4f();
  var total_s10 = vec4f();
  var total_s11 = vec4f();
  var total_s12 = vec4f();
  var total_s13 = vec4f();
  var total_s20 = vec4f();
  var total_s21 = vec4f();
  var total_s22 = vec4f();
  var total_s23 = vec4f();
  var total_s30 = vec4f();
  var total_s31 = vec4f();
  var total_s32 = vec4f();
  var total_s33 = vec4f();
#else
  var total_a00 = vec4f();
  var total_a01 = vec4f();
  var total_a10 = vec4f();
  var total_a11 = vec4f();
  var total_b00 = vec4f();
  var total_b01 = vec4f();
  var total_b10 = vec4f();
  var total_b11 = vec4f();
#endif

  for (var first = 0u; first < params.in_channels; first += SUM_CHANNELS) {
    let end = min(first + SUM_CHANNELS, params.in_channels);
#if !SUBGROUPS
    var s00 = vec4f();
    var s01 = vec4f();
    var s02 = vec4f();
    var s03 = vec4f();
    var s10 = vec4f();
    var s11 = vec4f();
    var s12 = vec4f();
    var s13 = vec4f();
    var s20 = vec4f();
    var s21 = vec4f();
    var s22 = vec4f();
    var s23 = vec4f();
    var s30 = vec4f();
    var s31 = vec4f();
    var s32 = vec4f();
    var s33 = vec4f();
#else
    var a00 = vec4f();
    var a01 = vec4f();
    var a10 = vec4f();
    var a11 = vec4f();
    var b00 = vec4f();
    var b01 = vec4f();
    var b10 = vec4f();
    var b11 = vec4f();
#endif
    for (var channel = first; channel < end; channel++) {
      let base = (sample * params.in_channels + channel) * plane;
#if !SUBGROUPS
      let at = ((block / 2u) * params.in_channels + channel) * 18u + block % 2u;
      let w0 = weights[at + 0u];
      let w1 = weights[at + 2u];
      let w2 = weights[at + 4u];
      let w3 = weights[at + 6u];
      let w4 = weights[at + 8u];
      let w5 = weights[at + 10u];
      let w6 = weights[at + 12u];
      let w7 = weights[at + 14u];
      let w8 = weights[at + 16u];
      let r0 = load4(base + row_at0, column_at, column_inside & vec4<bool>(row_inside0));
      let q0 = load2(base + row_at0, column_at_b, column_inside_b & vec2<bool>(row_inside0));
      let r1 = load4(base + row_at1, column_at, column_inside & vec4<bool>(row_inside1));
      let q1 = load2(base + row_at1, column_at_b, column_inside_b & vec2<bool>(row_inside1));
      let r2 = load4(base + row_at2, column_at, column_inside & vec4<bool>(row_inside2));
      let q2 = load2(base + row_at2, column_at_b, column_inside_b & vec2<bool>(row_inside2));
      let r3 = load4(base + row_at3, column_at, column_inside & vec4<bool>(row_inside3));
      let q3 = load2(base + row_at3, column_at_b, column_inside_b & vec2<bool>(row_inside3));
      let r4 = load4(base + row_at4, column_at, column_inside & vec4<bool>(row_inside4));
      let q4 = load2(base + row_at4, column_at_b, column_inside_b & vec2<bool>(row_inside4));
      let r5 = load4(base + row_at5, column_at, column_inside & vec4<bool>(row_inside5));
      let q5 = load2(base + row_at5, column_at_b, column_inside_b & vec2<bool>(row_inside5));
      s00 = window(s00, r0.xyz, r1.xyz, r2.xyz, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s01 = window(s01, r0.yzw, r1.yzw, r2.yzw, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s02 = window(s02, vec3f(r0.zw, q0.x), vec3f(r1.zw, q1.x), vec3f(r2.zw, q2.x), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s03 = window(s03, vec3f(r0.w, q0), vec3f(r1.w, q1), vec3f(r2.w, q2), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s10 = window(s10, r1.xyz, r2.xyz, r3.xyz, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s11 = window(s11, r1.yzw, r2.yzw, r3.yzw, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s12 = window(s12, vec3f(r1.zw, q1.x), vec3f(r2.zw, q2.x), vec3f(r3.zw, q3.x), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s13 = window(s13, vec3f(r1.w, q1), vec3f(r2.w, q2), vec3f(r3.w, q3), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s20 = window(s20, r2.xyz, r3.xyz, r4.xyz, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s21 = window(s21, r2.yzw, r3.yzw, r4.yzw, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s22 = window(s22, vec3f(r2.zw, q2.x), vec3f(r3.zw, q3.x), vec3f(r4.zw, q4.x), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s23 = window(s23, vec3f(r2.w, q2), vec3f(r3.w, q3), vec3f(r4.w, q4), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s30 = window(s30, r3.xyz, r4.xyz, r5.xyz, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s31 = window(s31, r3.yzw, r4.yzw, r5.yzw, w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s32 = window(s32, vec3f(r3.zw, q3.x), vec3f(r4.zw, q4.x), vec3f(r5.zw, q5.x), w0, w1, w2, w3, w4, w5, w6, w7, w8);
      s33 = window(s33, vec3f(r3.w, q3), vec3f(r4.w, q4), vec3f(r5.w, q5), w0, w1, w2, w3, w4, w5, w6, w7, w8);
#else
      let at = (block * params.in_channels + channel) * 18u;
#if SUBGROUP_4
      let l0 = weights[at + sub_lane];
      let l1 = weights[at + 4u + sub_lane];
      let l2 = weights[at + 8u + sub_lane];
      let l3 = weights[at + 12u + sub_lane];
      let l4 = weights[at + 16u + min(sub_lane, 1u)];
      let u0 = subgroupBroadcast(l0, 0u);
      let v0 = subgroupBroadcast(l0, 1u);
      let u1 = subgroupBroadcast(l0, 2u);
      let v1 = subgroupBroadcast(l0, 3u);
      let u2 = subgroupBroadcast(l1, 0u);
      let v2 = subgroupBroadcast(l1, 1u);
      let u3 = subgroupBroadcast(l1, 2u);
      let v3 = subgroupBroadcast(l1, 3u);
      let u4 = subgroupBroadcast(l2, 0u);
      let v4 = subgroupBroadcast(l2, 1u);
      let u5 = subgroupBroadcast(l2, 2u);
      let v5 = subgroupBroadcast(l2, 3u);
      let u6 = subgroupBroadcast(l3, 0u);
      let v6 = subgroupBroadcast(l3, 1u);
      let u7 = subgroupBroadcast(l3, 2u);
      let v7 = subgroupBroadcast(l3, 3u);
      let u8 = subgroupBroadcast(l4, 0u);
      let v8 = subgroupBroadcast(l4, 1u);
#else
      let l0 = weights[at + sub_lane];
      let l1 = weights[at + 8u + sub_lane];
      let l2 = weights[at + 16u + min(sub_lane, 1u)];
      let u0 = subgroupBroadcast(l0, 0u);
      let v0 = subgroupBroadcast(l0, 1u);
      let u1 = subgroupBroadcast(l0, 2u);
      let v1 = subgroupBroadcast(l0, 3u);
      let u2 = subgroupBroadcast(l0, 4u);
      let v2 = subgroupBroadcast(l0, 5u);
      let u3 = subgroupBroadcast(l0, 6u);
      let v3 = subgroupBroadcast(l0, 7u);
      let u4 = subgroupBroadcast(l1, 0u);
      let v4 = subgroupBroadcast(l1, 1u);
      let u5 = subgroupBroadcast(l1, 2u);
      let v5 = subgroupBroadcast(l1, 3u);
      let u6 = subgroupBroadcast(l1, 4u);
      let v6 = subgroupBroadcast(l1, 5u);
      let u7 = subgroupBroadcast(l1, 6u);
      let v7 = subgroupBroadcast(l1, 7u);
      let u8 = subgroupBroadcast(l2, 0u);
      let v8 = subgroupBroadcast(l2, 1u);
#endif
      let r0 = load4(base + row_at0, column_at, column_inside & vec4<bool>(row_inside0));
      let r1 = load4(base + row_at1, column_at, column_inside & vec4<bool>(row_inside1));
      let r2 = load4(base + row_at2, column_at, column_inside & vec4<bool>(row_inside2));
      let r3 = load4(base + row_at3, column_at, column_inside & vec4<bool>(row_inside3));
      a00 = window(a00, r0.xyz, r1.xyz, r2.xyz, u0, u1, u2, u3, u4, u5, u6, u7, u8);
      a01 = window(a01, r0.yzw, r1.yzw, r2.yzw, u0, u1, u2, u3, u4, u5, u6, u7, u8);
      a10 = window(a10, r1.xyz, r2.xyz, r3.xyz, u0, u1, u2, u3, u4, u5, u6, u7, u8);
      a11 = window(a11, r1.yzw, r2.yzw, r3.yzw, u0, u1, u2, u3, u4, u5, u6, u7, u8);
      b00 = window(b00, r0.xyz, r1.xyz, r2.xyz, v0, v1, v2, v3, v4, v5, v6, v7, v8);
      b01 = window(b01, r0.yzw, r1.yzw, r2.yzw, v0, v1, v2, v3, v4, v5, v6, v7, v8);
      b10 = window(b10, r1.xyz, r2.xyz, r3.xyz, v0, v1, v2, v3, v4, v5, v6, v7, v8);
      b11 = window(b11, r1.yzw, r2.yzw, r3.yzw, v0, v1, v2, v3, v4, v5, v6, v7, v8);
#endif
    }
#if !SUBGROUPS
    total_s00 += s00;
    total_s01 += s01;
    total_s02 += s02;
    total_s03 += s03;
    total_s10 += s10;
    total_s11 += s11;
    total_s12 += s12;
    total_s13 += s13;
    total_s20 += s20;
    total_s21 += s21;
    total_s22 += s22;
    total_s23 += s23;
    total_s30 += s30;
    total_s31 += s31;
    total_s32 += s32;
    total_s33 += s33;
#else
    total_a00 += a00;
    total_a01 += a01;
    total_a10 += a10;
    total_a11 += a11;
    total_b00 += b00;
    total_b01 += b01;
    total_b10 += b10;
    total_b11 += b11;
#endif
  }

  if (own_tile >= tiles) {
    return;
  }
  let out_base = sample * params.out_channels * plane;
  let out_row = row * TILE;
  let out_channel = block * CHANNEL_BLOCKS_OF_4 * 4u;
#if !SUBGROUPS
  store4(out_channel, out_base, out_row, column, total_s00);
  store4(out_channel, out_base, out_row, column + 1u, total_s01);
  store4(out_channel, out_base, out_row, column + 2u, total_s02);
  store4(out_channel, out_base, out_row, column + 3u, total_s03);
  store4(out_channel, out_base, out_row + 1u, column, total_s10);
  store4(out_channel, out_base, out_row + 1u, column + 1u, total_s11);
  store4(out_channel, out_base, out_row + 1u, column + 2u, total_s12);
  store4(out_channel, out_base, out_row + 1u, column + 3u, total_s13);
  store4(out_channel, out_base, out_row + 2u, column, total_s20);
  store4(out_channel, out_base, out_row + 2u, column + 1u, total_s21);
  store4(out_channel, out_base, out_row + 2u, column + 2u, total_s22);
  store4(out_channel, out_base, out_row + 2u, column + 3u, total_s23);
  store4(out_channel, out_base, out_row + 3u, column, total_s30);
  store4(out_channel, out_base, out_row + 3u, column + 1u, total_s31);
  store4(out_channel, out_base, out_row + 3u, column + 2u, total_s32);
  store4(out_channel, out_base, out_row + 3u, column + 3u, total_s33);
#else
  store4(out_channel, out_base, out_row, column, total_a00);
  store4(out_channel, out_base, out_row, column + 1u, total_a01);
  store4(out_channel, out_base, out_row + 1u, column, total_a10);
  store4(out_channel, out_base, out_row + 1u, column + 1u, total_a11);
  store4(out_channel + 4u, out_base, out_row, column, total_b00);
  store4(out_channel + 4u, out_base, out_row, column + 1u, total_b01);
  store4(out_channel + 4u, out_base, out_row + 1u, column, total_b10);
  store4(out_channel + 4u, out_base, out_row + 1u, column + 1u, total_b11);
#endif
}
