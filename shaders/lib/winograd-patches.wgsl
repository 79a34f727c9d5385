// How a Winograd convolution takes patches from its input x [samples, channels, height, width]. FLIPPED turns them by half a
// turn, and the last stage turns the tiles back: with the same filters that is the convolution with rotated kernels, which the
// input gradient needs.
// The kernel has x, params with height and width, and `alias Cell = f32`.
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
