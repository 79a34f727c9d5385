// Convolution with 3×3 kernels, stride 1 and padding 1, for any adapter: an invocation holds 4 × 4 outputs of 4 channels
// in registers, twice, and reads its patch of the input once per input channel.
// Input x [samples, in_channels, height, width]; weights packed [out_channels / 8][in_channels][9][8]; what becomes of
// the outputs is in conv-output.wgsl. Also the input gradient of such a convolution, with the weights of
// conv2d.transpose-weights.wgsl.
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
@group(0) @binding(1) var<storage, read> weights: array<StoredWeights>;
@group(0) @binding(2) var<uniform> params: Params;

const TILE = 4u;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let tiles_x = (params.width + TILE - 1u) / TILE;
  let tiles_y = (params.height + TILE - 1u) / TILE;
  let tiles = params.samples * tiles_y * tiles_x;
  let tile_groups = (tiles + 63u) / 64u;
  let tile = (group % tile_groups) * 64u + lane;
  if (group >= params.grid_end || tile >= tiles) {
    return;
  }
  let block = group / tile_groups;
  let left = (tile % tiles_x) * TILE;
  let top = (tile / tiles_x) % tiles_y * TILE;
  let sample = tile / (tiles_x * tiles_y);
  let plane = params.height * params.width;

  // Where the patch lies, and which of it is inside the picture: the tile with a border of one.
  let height = i32(params.height);
  let width = i32(params.width);
  let first_row = i32(top) - 1;
  let columns = vec4i(i32(left) - 1) + vec4i(0, 1, 2, 3);
  let column_inside = (columns >= vec4i(0)) & (columns < vec4i(width));
  let column_at = vec4u(clamp(columns, vec4i(0), vec4i(width - 1)));
  let columns_b = columns.xy + vec2i(4);
  let column_inside_b = columns_b < vec2i(width);
  let column_at_b = vec2u(clamp(columns_b, vec2i(0), vec2i(width - 1)));
  let row_inside0 = first_row >= 0 && first_row < height;
  let row_at0 = u32(clamp(first_row, 0, height - 1)) * params.width;
  let row_inside1 = first_row + 1 >= 0 && first_row + 1 < height;
  let row_at1 = u32(clamp(first_row + 1, 0, height - 1)) * params.width;
  let row_inside2 = first_row + 2 >= 0 && first_row + 2 < height;
  let row_at2 = u32(clamp(first_row + 2, 0, height - 1)) * params.width;
  let row_inside3 = first_row + 3 >= 0 && first_row + 3 < height;
  let row_at3 = u32(clamp(first_row + 3, 0, height - 1)) * params.width;
  let row_inside4 = first_row + 4 >= 0 && first_row + 4 < height;
  let row_at4 = u32(clamp(first_row + 4, 0, height - 1)) * params.width;
  let row_inside5 = first_row + 5 >= 0 && first_row + 5 < height;
  let row_at5 = u32(clamp(first_row + 5, 0, height - 1)) * params.width;

  // Bits of the tile's four blocks of 2 × 2 cells.
  let gates = vec4u(
    read_gate(sample, block, top, left), read_gate(sample, block, top, left + 2u),
    read_gate(sample, block, top + 2u, left), read_gate(sample, block, top + 2u, left + 2u),
  );
  var bits = vec4u();
  for (var half = 0u; half < 2u; half++) {
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

    for (var first = 0u; first < params.in_channels; first += SUM_CHANNELS) {
      let end = min(first + SUM_CHANNELS, params.in_channels);
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
      for (var channel = first; channel < end; channel++) {
        let base = (sample * params.in_channels + channel) * plane;
        let at = (block * params.in_channels + channel) * 18u + half;
        let w0 = widen(weights[at]);
        let w1 = widen(weights[at + 2u]);
        let w2 = widen(weights[at + 4u]);
        let w3 = widen(weights[at + 6u]);
        let w4 = widen(weights[at + 8u]);
        let w5 = widen(weights[at + 10u]);
        let w6 = widen(weights[at + 12u]);
        let w7 = widen(weights[at + 14u]);
        let w8 = widen(weights[at + 16u]);
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
      }
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
    }

    let first_channel = block * 8u + half * 4u;
    let passes = gates >> vec4u(half * 16u);
    bits |= vec4u(
      finish4(sample, first_channel, top, left, total_s00, total_s01, total_s10, total_s11, passes.x),
      finish4(sample, first_channel, top, left + 2u, total_s02, total_s03, total_s12, total_s13, passes.y),
      finish4(sample, first_channel, top + 2u, left, total_s20, total_s21, total_s30, total_s31, passes.z),
      finish4(sample, first_channel, top + 2u, left + 2u, total_s22, total_s23, total_s32, total_s33, passes.w),
    ) << vec4u(half * 16u);
  }
  write_bits(sample, block, top, left, bits.x);
  write_bits(sample, block, top, left + 2u, bits.y);
  write_bits(sample, block, top + 2u, left, bits.z);
  write_bits(sample, block, top + 2u, left + 2u, bits.w);
}
