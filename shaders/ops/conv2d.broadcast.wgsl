enable subgroups;
// Convolution with 3×3 kernels, stride 1 and padding 1, for adapters with subgroups of 4 (SUBGROUP_4) or 8 lanes: an
// invocation holds 2 × 2 outputs of 8 channels in registers and reads its patch of the input once per input channel;
// the lanes of a subgroup load different weights and broadcast them.
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

const TILE = 2u;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) sub_lane: u32,
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
  let row_inside0 = first_row >= 0 && first_row < height;
  let row_at0 = u32(clamp(first_row, 0, height - 1)) * params.width;
  let row_inside1 = first_row + 1 >= 0 && first_row + 1 < height;
  let row_at1 = u32(clamp(first_row + 1, 0, height - 1)) * params.width;
  let row_inside2 = first_row + 2 >= 0 && first_row + 2 < height;
  let row_at2 = u32(clamp(first_row + 2, 0, height - 1)) * params.width;
  let row_inside3 = first_row + 3 >= 0 && first_row + 3 < height;
  let row_at3 = u32(clamp(first_row + 3, 0, height - 1)) * params.width;

  var total_a00 = vec4f();
  var total_a01 = vec4f();
  var total_a10 = vec4f();
  var total_a11 = vec4f();
  var total_b00 = vec4f();
  var total_b01 = vec4f();
  var total_b10 = vec4f();
  var total_b11 = vec4f();

  for (var first = 0u; first < params.in_channels; first += SUM_CHANNELS) {
    let end = min(first + SUM_CHANNELS, params.in_channels);
    var a00 = vec4f();
    var a01 = vec4f();
    var a10 = vec4f();
    var a11 = vec4f();
    var b00 = vec4f();
    var b01 = vec4f();
    var b10 = vec4f();
    var b11 = vec4f();
    for (var channel = first; channel < end; channel++) {
      let base = (sample * params.in_channels + channel) * plane;
      let at = (block * params.in_channels + channel) * 18u;
#if SUBGROUP_4
      let l0 = widen(weights[at + sub_lane]);
      let l1 = widen(weights[at + 4u + sub_lane]);
      let l2 = widen(weights[at + 8u + sub_lane]);
      let l3 = widen(weights[at + 12u + sub_lane]);
      let l4 = widen(weights[at + 16u + min(sub_lane, 1u)]);
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
      let l0 = widen(weights[at + sub_lane]);
      let l1 = widen(weights[at + 8u + sub_lane]);
      let l2 = widen(weights[at + 16u + min(sub_lane, 1u)]);
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
    }
    total_a00 += a00;
    total_a01 += a01;
    total_a10 += a10;
    total_a11 += a11;
    total_b00 += b00;
    total_b01 += b01;
    total_b10 += b10;
    total_b11 += b11;
  }

  if (own_tile < tiles) {
    store_block(
      sample, block, row * TILE, column, total_a00, total_a01, total_a10, total_a11,
      total_b00, total_b01, total_b10, total_b11,
    );
  }
}
