enable subgroups;
// A Winograd convolution in one dispatch, for processors' cores whose subgroups have 8 lanes: lavapipe's.
// A workgroup of 8 lanes takes 32 tiles of the picture through all three stages, then the next 32, so that patches and products
// stay in its core's cache. Each lane works on 4 of the tiles, 8 apart, and reads no patch and no product but its own: no stage
// waits for another lane. What lanes share are filters, each loading others and broadcasting them: loads cost more than
// arithmetic there.
// Where tiles are few, the blocks of 32 output channels are dealt to several workgroups, each of which makes the patches anew.
// x [samples, in_channels, height, width]; filters as conv2d.winograd-filters.wgsl makes them; of each workgroup patches
// [PATCH²][in_channels / 4][32 tiles][4] and products [PATCH²][quads][32 tiles][4]; outputs as conv-output.wgsl says.
// TRANSPOSED exchanges the filters' two kinds of channels, FLIPPED turns patches and tiles: both for the input gradient.
// The code is kept short by loops, some to a bound that the compiler does not know and so does not unroll: a core holds 32 KiB
// of instructions, and unrolled it takes lavapipe three times as long to compile.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  in_channels: u32,
  out_channels: u32,
  height: u32,
  width: u32,
  parts: u32, // workgroups among which the output channels of a group of tiles are dealt
  quads: u32, // of output channels, whose products a workgroup holds at once: a multiple of GROUP_QUADS
  workgroups: u32,
  tile: u32, // TILE, as a number that the compiler does not know
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
#if TRANSPOSED
@group(0) @binding(1) var<storage, read> filters: array<Channels>;
#else
@group(0) @binding(1) var<storage, read> filters: array<vec4f>;
#endif
@group(0) @binding(2) var<storage, read_write> patches: array<f32>;
@group(0) @binding(3) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

alias Cell = f32;

const PLACES = PATCH * PATCH;
const GROUP_TILES = 32u;
// Lanes side by side, and so how far apart the tiles of one are.
const LANES = 8u;
// What is computed at a time of the output channels.
const GROUP_QUADS = 8u;

fn in_quads() -> u32 {
  return (params.in_channels + 3u) / 4u;
}

fn out_quads() -> u32 {
  return (params.out_channels + 3u) / 4u;
}

// Numbers in the patches of one place, of a workgroup.
fn patches_plane() -> u32 {
  return in_quads() * GROUP_TILES * 4u;
}

// Quads in the products of one place, of a workgroup.
fn products_plane() -> u32 {
  return params.quads * GROUP_TILES;
}

struct TilePlace {
  sample: u32,
  top: u32,
  left: u32,
}

fn tile_place(tile: u32) -> TilePlace {
  let tiles_x = (params.width + TILE - 1u) / TILE;
  let tiles_y = (params.height + TILE - 1u) / TILE;
  return TilePlace(tile / (tiles_x * tiles_y), tile / tiles_x % tiles_y * TILE, tile % tiles_x * TILE);
}

// First stage, Bᵀ d B of a tile's patch d, one channel. `at` is where it belongs in the patches of the first place.
fn transform_patch(tile: u32, channel: u32, at: u32) {
  let place = tile_place(tile);
  // A channel beyond the last is zero as everything below the picture is.
  let is_channel = channel < params.in_channels;
  let row = select(i32(params.height), i32(place.top) - 1, is_channel);
  let column = i32(place.left) - 1 + PATCH_FROM;
  let channels = place.sample * params.in_channels + min(channel, params.in_channels - 1u);
  let base = channels * params.height * params.width;
  let columns = array<Patch, PATCH>(
    patch_column(base, row, column),
    patch_column(base, row, column + PATCH_STEP),
    patch_column(base, row, column + 2 * PATCH_STEP),
    patch_column(base, row, column + 3 * PATCH_STEP),
#if TILE_4
    patch_column(base, row, column + 4 * PATCH_STEP),
    patch_column(base, row, column + 5 * PATCH_STEP),
#endif
  );
  let plane = patches_plane();
  for (var r = 0u; r < params.tile + 2u; r++) {
    let line = transform_input(Patch(
      columns[0][r], columns[1][r], columns[2][r], columns[3][r],
#if TILE_4
      columns[4][r], columns[5][r],
#endif
    ));
    let first = at + r * PATCH * plane;
    patches[first] = line[0];
    patches[first + plane] = line[1];
    patches[first + 2u * plane] = line[2];
    patches[first + 3u * plane] = line[3];
#if TILE_4
    patches[first + 4u * plane] = line[4];
    patches[first + 5u * plane] = line[5];
#endif
  }
}

fn load_channels(at: u32) -> Channels {
  return Channels(patches[at], patches[at + 1u]);
}

// Where the filters of a quad of output channels begin. A quad beyond the last is computed like it, and not stored.
fn first_filter(place: u32, quad: u32) -> u32 {
  let in_front = place * in_quads() * out_quads() * 4u;
  let known = min(quad, out_quads() - 1u);
#if TRANSPOSED
  return (in_front + known * 4u) * STEPS_OF_QUAD;
#else
  return in_front + known * in_quads() * 4u;
#endif
}

// The filters of one quad of output channels, in all lanes, out of what the lanes of the subgroup loaded.
#if TRANSPOSED
fn share0(loaded: vec2f) -> Filters {
  return Filters(
    subgroupBroadcast(loaded, 0u),
    subgroupBroadcast(loaded, 1u),
    subgroupBroadcast(loaded, 2u),
    subgroupBroadcast(loaded, 3u),
  );
}

fn share1(loaded: vec2f) -> Filters {
  return Filters(
    subgroupBroadcast(loaded, 4u),
    subgroupBroadcast(loaded, 5u),
    subgroupBroadcast(loaded, 6u),
    subgroupBroadcast(loaded, 7u),
  );
}
#else
fn share0(loaded: vec4f) -> Filters {
  return Filters(subgroupBroadcast(loaded, 0u), subgroupBroadcast(loaded, 1u));
}

fn share1(loaded: vec4f) -> Filters {
  return Filters(subgroupBroadcast(loaded, 2u), subgroupBroadcast(loaded, 3u));
}

fn share2(loaded: vec4f) -> Filters {
  return Filters(subgroupBroadcast(loaded, 4u), subgroupBroadcast(loaded, 5u));
}

fn share3(loaded: vec4f) -> Filters {
  return Filters(subgroupBroadcast(loaded, 6u), subgroupBroadcast(loaded, 7u));
}
#endif

// Second stage at one place of the patch, for GROUP_QUADS of the output channels from `quad` on. `group` is the workgroup's number,
// `to` where the products begin.
fn multiply(group: u32, place: u32, quad: u32, to: u32, lane: u32, sub_lane: u32) {
#if TRANSPOSED
  var f0 = first_filter(place, quad + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
  var f1 = first_filter(place, quad + 2u + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
  var f2 = first_filter(place, quad + 4u + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
  var f3 = first_filter(place, quad + 6u + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
#else
  var f0 = first_filter(place, quad + sub_lane / 2u) + sub_lane % 2u;
  var f1 = first_filter(place, quad + 4u + sub_lane / 2u) + sub_lane % 2u;
#endif
  var at = (group * PLACES + place) * patches_plane() + lane * 4u;

  var total0 = Sums();
  var total1 = Sums();
  var total2 = Sums();
  var total3 = Sums();
  var total4 = Sums();
  var total5 = Sums();
  var total6 = Sums();
  var total7 = Sums();
  let steps = in_quads() * STEPS_OF_QUAD;
  for (var first = 0u; first < steps; first += SUM_STEPS) {
    let end = min(first + SUM_STEPS, steps);
    var s0 = Sums();
    var s1 = Sums();
    var s2 = Sums();
    var s3 = Sums();
    var s4 = Sums();
    var s5 = Sums();
    var s6 = Sums();
    var s7 = Sums();
    for (var step = first; step < end; step++) {
      // To the other half of the quad, or from its end to the next one.
      let ends_quad = step % 2u == 1u;
      let patch_step = select(2u, GROUP_TILES * 4u - 2u, ends_quad);
#if TRANSPOSED
      let filter_step = select(1u, out_quads() * 8u - 1u, ends_quad);
#else
      let filter_step = 2u;
#endif
      let v = Patches(
        load_channels(at),
        load_channels(at + LANES * 4u),
        load_channels(at + 2u * LANES * 4u),
        load_channels(at + 3u * LANES * 4u),
      );
      at += patch_step;
#if TRANSPOSED
      let l0 = filters[f0];
      let l1 = filters[f1];
      let l2 = filters[f2];
      let l3 = filters[f3];
      f0 += filter_step;
      f1 += filter_step;
      f2 += filter_step;
      f3 += filter_step;
      s0 = add4(s0, v, share0(l0));
      s1 = add4(s1, v, share1(l0));
      s2 = add4(s2, v, share0(l1));
      s3 = add4(s3, v, share1(l1));
      s4 = add4(s4, v, share0(l2));
      s5 = add4(s5, v, share1(l2));
      s6 = add4(s6, v, share0(l3));
      s7 = add4(s7, v, share1(l3));
#else
      let l0 = filters[f0];
      let l1 = filters[f1];
      f0 += filter_step;
      f1 += filter_step;
      s0 = add4(s0, v, share0(l0));
      s1 = add4(s1, v, share1(l0));
      s2 = add4(s2, v, share2(l0));
      s3 = add4(s3, v, share3(l0));
      s4 = add4(s4, v, share0(l1));
      s5 = add4(s5, v, share1(l1));
      s6 = add4(s6, v, share2(l1));
      s7 = add4(s7, v, share3(l1));
#endif
    }
    total0 += s0;
    total1 += s1;
    total2 += s2;
    total3 += s3;
    total4 += s4;
    total5 += s5;
    total6 += s6;
    total7 += s7;
  }
  // A quad beyond the last was computed like it.
  let totals = array<Sums, GROUP_QUADS>(total0, total1, total2, total3, total4, total5, total6, total7);
  for (var q = 0u; q < min(GROUP_QUADS, out_quads() - quad); q++) {
    let sums = totals[q];
    let at = to + q * GROUP_TILES + lane;
    products[at] = sums[0];
    products[at + LANES] = sums[1];
    products[at + 2u * LANES] = sums[2];
    products[at + 3u * LANES] = sums[3];
  }
}

// A line of the outputs.
#if TILE_4
alias Line = vec4f;
#else
alias Line = vec2f;
#endif
// Blocks of 2 × 2 outputs in a tile's row, and in the tile.
const BLOCKS_X = TILE / 2u;
const BLOCKS = BLOCKS_X * BLOCKS_X;

// A column of the tile's products of channel `c` of a quad, transformed.
fn product_column(at: u32, c: u32) -> Outputs {
  let step = PATCH * products_plane();
  return transform_output(Patch(
    products[at][c],
    products[at + step][c],
    products[at + 2u * step][c],
    products[at + 3u * step][c],
#if TILE_4
    products[at + 4u * step][c],
    products[at + 5u * step][c],
#endif
  ));
}

// Last stage, Aᵀ m A of a tile's products m, for 8 output channels. `at` is where the products of the first place begin.
fn finish_tile(tile: u32, block: u32, at: u32) {
  let place = tile_place(tile);
  let output_weights = OUTPUT_WEIGHTS;
  var gates: array<u32, BLOCKS>;
  for (var b = 0u; b < BLOCKS; b++) {
    gates[b] = read_gate(place.sample, block, place.top + b / BLOCKS_X * 2u, place.left + b % BLOCKS_X * 2u);
  }
  var bits: array<u32, BLOCKS>;
  for (var c = 0u; c < min(8u, params.out_channels - block * 8u); c++) {
    var line0 = Line();
    var line1 = Line();
#if TILE_4
    var line2 = Line();
    var line3 = Line();
#endif
    for (var column = 0u; column < params.tile + 2u; column++) {
      let outputs = product_column(at + c / 4u * GROUP_TILES + column * products_plane(), c % 4u);
      let w = output_weights[column];
#if TILE_4
#if FLIPPED
      line0 = fma(w.wzyx, Line(outputs[3]), line0);
      line1 = fma(w.wzyx, Line(outputs[2]), line1);
      line2 = fma(w.wzyx, Line(outputs[1]), line2);
      line3 = fma(w.wzyx, Line(outputs[0]), line3);
#else
      line0 = fma(w, Line(outputs[0]), line0);
      line1 = fma(w, Line(outputs[1]), line1);
      line2 = fma(w, Line(outputs[2]), line2);
      line3 = fma(w, Line(outputs[3]), line3);
#endif
#else
#if FLIPPED
      line0 = fma(w.yx, Line(outputs[1]), line0);
      line1 = fma(w.yx, Line(outputs[0]), line1);
#else
      line0 = fma(w, Line(outputs[0]), line0);
      line1 = fma(w, Line(outputs[1]), line1);
#endif
#endif
    }
    for (var b = 0u; b < params.tile * params.tile / 4u; b++) {
      let row = place.top + b / BLOCKS_X * 2u;
      let column = place.left + b % BLOCKS_X * 2u;
      if (row < params.height && column < params.width) {
#if TILE_4
        let upper = select(line0, line2, b >= 2u);
        let lower = select(line1, line3, b >= 2u);
        let cells = vec4f(select(upper.xy, upper.zw, b % 2u == 1u), select(lower.xy, lower.zw, b % 2u == 1u));
#else
        let cells = vec4f(line0, line1);
#endif
        bits[b] |= finish(place.sample, block * 8u + c, row, column, cells, gates[b] >> (c * 4u)) << (c * 4u);
      }
    }
  }
  for (var b = 0u; b < BLOCKS; b++) {
    write_bits(place.sample, block, place.top + b / BLOCKS_X * 2u, place.left + b % BLOCKS_X * 2u, bits[b]);
  }
}

@compute @workgroup_size(LANES)
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
  let picture_tiles = (params.width + TILE - 1u) / TILE * ((params.height + TILE - 1u) / TILE);
  let tiles = params.samples * picture_tiles;
  let jobs = (tiles + GROUP_TILES - 1u) / GROUP_TILES * params.parts;
  let quads = out_quads();
  // Whole groups of channels.
  let part_quads = ((quads + GROUP_QUADS - 1u) / GROUP_QUADS + params.parts - 1u) / params.parts * GROUP_QUADS;
  let own_products = group * PLACES * products_plane();
  for (var job = group; job < jobs; job += params.workgroups) {
    let first_tile = job / params.parts * GROUP_TILES + lane;
    for (var i = 0u; i < 16u * in_quads(); i++) {
      let own = i / 4u % 4u * LANES;
      let at = group * PLACES * patches_plane() + (i / 16u * GROUP_TILES + own + lane) * 4u + i % 4u;
      // Lanes beyond the last tile repeat it, and store none of its outputs: broadcasts need every lane.
      transform_patch(min(first_tile + own, tiles - 1u), i / 16u * 4u + i % 4u, at);
    }
    let part = job % params.parts * part_quads;
    let part_end = min(part + part_quads, quads);
    for (var first = part; first < part_end; first += params.quads) {
      let end = min(first + params.quads, part_end);
      for (var place = 0u; place < PLACES; place++) {
        for (var quad = first; quad < end; quad += GROUP_QUADS) {
          let to = own_products + place * products_plane() + (quad - first) * GROUP_TILES;
          multiply(group, place, quad, to, lane, sub_lane);
        }
      }
      for (var i = 0u; i < (end - first + 1u) / 2u * 4u; i++) {
        let own = i % 4u * LANES;
        let pair = i / 4u * 2u;
        if (first_tile + own < tiles) {
          finish_tile(first_tile + own, (first + pair) / 2u, own_products + pair * GROUP_TILES + own + lane);
        }
      }
    }
  }
}
