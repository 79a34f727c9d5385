// First stage of a Winograd convolution: Bᵀ d B of every tile's patch d, the tile with a border of one.
// Input x [samples, channels, height, width]; patches [PATCH²][channels / 4][tiles][4], the channels filled up with zeros,
// the tiles those of `samples` samples from `first_sample` on. An invocation transforms one patch of one channel, 4
// channels side by side: compilers of CPU adapters take half a minute for all 4 at once.
// FLIPPED turns patches by half a turn, and the last stage turns the tiles back: with the same filters that is the convolution with
// rotated kernels, which the input gradient needs.
struct Params {
  grid_first: u32,
  grid_end: u32,
  first_sample: u32,
  samples: u32,
  channels: u32,
  height: u32,
  width: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> patches: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

alias Cell = f32;

#if FLIPPED
const PATCH_FROM = i32(PATCH) - 1;
const PATCH_STEP = -1;
#else
const PATCH_FROM = 0;
const PATCH_STEP = 1;
#endif

// Zero outside the picture. The channel's plane begins at `base`.
fn load(base: u32, row: i32, column: i32) -> f32 {
  let inside = row >= 0 && column >= 0 && row < i32(params.height) && column < i32(params.width);
  let at = select(0u, u32(row) * params.width + u32(column), inside);
  return select(0.0, x[base + at], inside);
}

// A column of the patch, transformed. The patch begins at `row`.
fn patch_column(base: u32, row: i32, column: i32) -> Patch {
  return transform_input(Patch(
    load(base, row + PATCH_FROM, column),
    load(base, row + PATCH_FROM + PATCH_STEP, column),
    load(base, row + PATCH_FROM + 2 * PATCH_STEP, column),
    load(base, row + PATCH_FROM + 3 * PATCH_STEP, column),
#if TILE_4
    load(base, row + PATCH_FROM + 4 * PATCH_STEP, column),
    load(base, row + PATCH_FROM + 5 * PATCH_STEP, column),
#endif
  ));
}

fn store_row(row: u32, at: u32, plane: u32, values: Patch) {
  let first = at + row * PATCH * plane;
  patches[first] = values[0];
  patches[first + plane] = values[1];
  patches[first + 2u * plane] = values[2];
  patches[first + 3u * plane] = values[3];
#if TILE_4
  patches[first + 4u * plane] = values[4];
  patches[first + 5u * plane] = values[5];
#endif
}

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
  // Of one place in the patch.
  let plane = (params.channels + 3u) / 4u * tiles * 4u;
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= plane) {
    return;
  }
  let tile = at / 4u % tiles;
  let channel = at / (4u * tiles) * 4u + at % 4u;
  if (channel >= params.channels) {
    for (var place = 0u; place < PATCH * PATCH; place++) {
      patches[place * plane + at] = 0.0;
    }
    return;
  }
  let sample = params.first_sample + tile / (tiles_x * tiles_y);
  let base = (sample * params.channels + channel) * params.height * params.width;
  let row = i32(tile / tiles_x % tiles_y * TILE) - 1;
  let column = i32(tile % tiles_x * TILE) - 1;
  let c0 = patch_column(base, row, column + PATCH_FROM);
  let c1 = patch_column(base, row, column + PATCH_FROM + PATCH_STEP);
  let c2 = patch_column(base, row, column + PATCH_FROM + 2 * PATCH_STEP);
  let c3 = patch_column(base, row, column + PATCH_FROM + 3 * PATCH_STEP);
#if TILE_4
  let c4 = patch_column(base, row, column + PATCH_FROM + 4 * PATCH_STEP);
  let c5 = patch_column(base, row, column + PATCH_FROM + 5 * PATCH_STEP);
  store_row(0u, at, plane, transform_input(Patch(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0])));
  store_row(1u, at, plane, transform_input(Patch(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1])));
  store_row(2u, at, plane, transform_input(Patch(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2])));
  store_row(3u, at, plane, transform_input(Patch(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3])));
  store_row(4u, at, plane, transform_input(Patch(c0[4], c1[4], c2[4], c3[4], c4[4], c5[4])));
  store_row(5u, at, plane, transform_input(Patch(c0[5], c1[5], c2[5], c3[5], c4[5], c5[5])));
#else
  store_row(0u, at, plane, transform_input(Patch(c0[0], c1[0], c2[0], c3[0])));
  store_row(1u, at, plane, transform_input(Patch(c0[1], c1[1], c2[1], c3[1])));
  store_row(2u, at, plane, transform_input(Patch(c0[2], c1[2], c2[2], c3[2])));
  store_row(3u, at, plane, transform_input(Patch(c0[3], c1[3], c2[3], c3[3])));
#endif
}
