enable subgroups;
// A Winograd convolution in one dispatch, for processors' cores whose subgroups have 8 lanes: lavapipe's.
// A workgroup of 8 lanes takes 32 tiles of the picture through all three stages, then the next 32, so that patches and products
// stay in its core's cache, and rows of x that the tiles below need, too. Each lane works on 4 of the tiles, 8 apart, and reads no
// patch and no product but its own: no stage waits for another lane. Loads cost more than arithmetic there, one number at a time
// twice as much as two or four. So lanes share filters, each loading others and broadcasting them, and cells of the picture, which
// they shuffle; and patches and products stand in pairs of channels.
// Where tiles are few, the blocks of 32 output channels are dealt to several workgroups, each of which makes the patches anew.
// x [samples, in_channels, height, width]; filters as conv2d.winograd-filters.wgsl makes them; of each workgroup patches
// [PATCH²][in_channels / 2][32 tiles][2], filled up to whole quads of channels, and products [PATCH²][2 quads][32 tiles][2];
// outputs as conv-output.wgsl says.
// TRANSPOSED exchanges the filters' two kinds of channels. FLIPPED turns patches by half a turn, and the last stage turns the tiles
// back: with the same filters that is the convolution with rotated kernels. Both are for the input gradient. ALIGNED says that
// tiles fill the picture's rows.
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
  // GROUP_QUADS and TILE, as numbers that the compiler does not know.
  group_quads: u32,
  tile: u32,
}
#if ALIGNED
@group(0) @binding(0) var<storage, read> x: array<Line>;
#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
#endif
#if TRANSPOSED
@group(0) @binding(1) var<storage, read> filters: array<Channels>;
#else
@group(0) @binding(1) var<storage, read> filters: array<vec4f>;
#endif
@group(0) @binding(2) var<storage, read_write> patches: array<Channels>;
@group(0) @binding(3) var<storage, read_write> products: array<vec2f>;
@group(0) @binding(4) var<uniform> params: Params;

// What is transformed: the channels of a step of the products.
alias Cell = Channels;
// A line of a tile: its own cells of the input, or its outputs.
#if TILE_4
alias Line = vec4f;
#else
alias Line = vec2f;
#endif
// Which row or column of a patch stands first when it is transformed.
#if FLIPPED
const FIRST = i32(PATCH) - 1;
#else
const FIRST = 0;
#endif

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

// Pairs of channels in the patches of one place, of a workgroup.
fn patches_plane() -> u32 {
  return in_quads() * 2u * GROUP_TILES;
}

// Pairs of channels in the products of one place, of a workgroup.
fn products_plane() -> u32 {
  return params.quads * 2u * GROUP_TILES;
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

// Row `r` of a tile's patch in one channel, whose plane begins at `base`. Tiles side by side in the picture are so in the lanes:
// what a patch has of its neighbours comes from their lanes, at both ends from memory. Zero outside the picture.
fn patch_row(place: TilePlace, base: u32, r: u32, is_channel: bool, lane: u32) -> array<f32, PATCH> {
  let row = place.top + r - 1u;
  let inside = is_channel && row < params.height;
  let at = base + select(0u, row * params.width + place.left, inside);
#if ALIGNED
  let own = select(Line(), x[at / TILE], inside);
#else
  var own = Line();
  for (var i = 0u; i < params.tile; i++) {
    own[i] = select(0.0, x[at + i], inside && place.left + i < params.width);
  }
#endif
  var before = subgroupShuffleUp(own[TILE - 1u], 1u);
  var after = subgroupShuffleDown(own[0], 1u);
  let is_first = lane == 0u;
  if (is_first || lane == LANES - 1u) {
    let next = select(at + TILE, max(at, 1u) - 1u, is_first);
#if ALIGNED
    let beyond = select(0.0, x[next / TILE][next % TILE], inside);
#else
    let beyond = select(0.0, x[next], inside);
#endif
    before = select(before, beyond, is_first);
    after = select(beyond, after, is_first);
  }
  before = select(0.0, before, place.left > 0u);
  after = select(0.0, after, place.left + TILE < params.width);
#if TILE_4
  return array<f32, PATCH>(before, own.x, own.y, own.z, own.w, after);
#else
  return array<f32, PATCH>(before, own.x, own.y, after);
#endif
}

// Row `r` of the patch as it is turned, in the two channels that are transformed together.
fn turned_row(place: TilePlace, channel: u32, r: i32, lane: u32) -> Patch {
  let area = params.height * params.width;
  let base = (place.sample * params.in_channels + min(channel, params.in_channels - 1u)) * area;
  // A channel beyond the last is zero.
  let has_next = channel + 1u < params.in_channels;
  let row = u32(abs(FIRST - r));
  let a = patch_row(place, base, row, channel < params.in_channels, lane);
  let b = patch_row(place, base + select(0u, area, has_next), row, has_next, lane);
  return Patch(
    Cell(a[abs(FIRST)], b[abs(FIRST)]),
    Cell(a[abs(FIRST - 1)], b[abs(FIRST - 1)]),
    Cell(a[abs(FIRST - 2)], b[abs(FIRST - 2)]),
    Cell(a[abs(FIRST - 3)], b[abs(FIRST - 3)]),
#if TILE_4
    Cell(a[abs(FIRST - 4)], b[abs(FIRST - 4)]),
    Cell(a[abs(FIRST - 5)], b[abs(FIRST - 5)]),
#endif
  );
}

fn transform_column(d: array<Patch, PATCH>, c: u32) -> Patch {
#if TILE_4
  return transform_input(Patch(d[0][c], d[1][c], d[2][c], d[3][c], d[4][c], d[5][c]));
#else
  return transform_input(Patch(d[0][c], d[1][c], d[2][c], d[3][c]));
#endif
}

// First stage, Bᵀ d B of a tile's patch d, of two channels. `at` is where it belongs in the patches of the first place.
fn transform_patch(tile: u32, channel: u32, at: u32, lane: u32) {
  let place = tile_place(tile);
  let d = array<Patch, PATCH>(
    turned_row(place, channel, 0, lane),
    turned_row(place, channel, 1, lane),
    turned_row(place, channel, 2, lane),
    turned_row(place, channel, 3, lane),
#if TILE_4
    turned_row(place, channel, 4, lane),
    turned_row(place, channel, 5, lane),
#endif
  );
  let columns = array<Patch, PATCH>(
    transform_column(d, 0u),
    transform_column(d, 1u),
    transform_column(d, 2u),
    transform_column(d, 3u),
#if TILE_4
    transform_column(d, 4u),
    transform_column(d, 5u),
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
  var at = (group * PLACES + place) * patches_plane() + lane;

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
#if TRANSPOSED
      // To the other half of the quad, or from its end to the next one.
      let filter_step = select(1u, out_quads() * 8u - 1u, step % 2u == 1u);
#else
      let filter_step = 2u;
#endif
      let v = Patches(patches[at], patches[at + LANES], patches[at + 2u * LANES], patches[at + 3u * LANES]);
      at += GROUP_TILES;
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
  let totals = array<Sums, GROUP_QUADS>(total0, total1, total2, total3, total4, total5, total6, total7);
#if TRANSPOSED
  // As a loop the backward pass is a twelfth quicker, and the forward pass a twentieth slower.
  for (var q = 0u; q < params.group_quads; q++) {
#else
  for (var q = 0u; q < GROUP_QUADS; q++) {
#endif
    let sums = totals[q];
    let at = to + q * 2u * GROUP_TILES + lane;
    products[at] = sums[0].xy;
    products[at + LANES] = sums[1].xy;
    products[at + 2u * LANES] = sums[2].xy;
    products[at + 3u * LANES] = sums[3].xy;
    products[at + GROUP_TILES] = sums[0].zw;
    products[at + GROUP_TILES + LANES] = sums[1].zw;
    products[at + GROUP_TILES + 2u * LANES] = sums[2].zw;
    products[at + GROUP_TILES + 3u * LANES] = sums[3].zw;
  }
}

// Blocks of 2 × 2 outputs in a tile's row, and in the tile.
const BLOCKS_X = TILE / 2u;
const BLOCKS = BLOCKS_X * BLOCKS_X;

// A column of the tile's products of two channels, transformed.
fn product_column(at: u32) -> Outputs {
  let step = PATCH * products_plane();
  return transform_output(Patch(
    products[at],
    products[at + step],
    products[at + 2u * step],
    products[at + 3u * step],
#if TILE_4
    products[at + 4u * step],
    products[at + 5u * step],
#endif
  ));
}

// Outputs of a tile in one channel.
alias Tile = array<Line, TILE>;

// Adds a column of the products, transformed, to the outputs.
fn add_column(tile: Tile, column: u32, outputs: Line) -> Tile {
  let output_weights = OUTPUT_WEIGHTS;
  let w = turned(output_weights[column]);
  let o = turned(outputs);
  return Tile(
    fma(w, Line(o[0]), tile[0]),
    fma(w, Line(o[1]), tile[1]),
#if TILE_4
    fma(w, Line(o[2]), tile[2]),
    fma(w, Line(o[3]), tile[3]),
#endif
  );
}

fn turned(line: Line) -> Line {
#if FLIPPED
#if TILE_4
  return line.wzyx;
#else
  return line.yx;
#endif
#else
  return line;
#endif
}

// Last stage, Aᵀ m A of a tile's products m, for 8 output channels. `at` is where the products of the first place begin.
fn finish_tile(tile: u32, block: u32, at: u32) {
  let place = tile_place(tile);
  var gates: array<u32, BLOCKS>;
  for (var b = 0u; b < BLOCKS; b++) {
    gates[b] = read_gate(place.sample, block, place.top + b / BLOCKS_X * 2u, place.left + b % BLOCKS_X * 2u);
  }
  var bits: array<u32, BLOCKS>;
  for (var c = 0u; c < min(8u, params.out_channels - block * 8u); c += 2u) {
    var first = Tile();
    var second = Tile();
    for (var column = 0u; column < params.tile + 2u; column++) {
      let o = product_column(at + c / 2u * GROUP_TILES + column * products_plane());
#if TILE_4
      first = add_column(first, column, Line(o[0].x, o[1].x, o[2].x, o[3].x));
      second = add_column(second, column, Line(o[0].y, o[1].y, o[2].y, o[3].y));
#else
      first = add_column(first, column, Line(o[0].x, o[1].x));
      second = add_column(second, column, Line(o[0].y, o[1].y));
#endif
    }
    for (var i = 0u; i < params.tile * params.tile / 2u; i++) {
      let b = i / 2u;
      let is_second = i % 2u == 1u;
      let row = place.top + b / BLOCKS_X * 2u;
      let column = place.left + b % BLOCKS_X * 2u;
      if (row < params.height && column < params.width) {
        let line0 = select(first[0], second[0], is_second);
        let line1 = select(first[1], second[1], is_second);
#if TILE_4
        let line2 = select(first[2], second[2], is_second);
        let line3 = select(first[3], second[3], is_second);
        let upper = select(line0, line2, b >= 2u);
        let lower = select(line1, line3, b >= 2u);
        let cells = vec4f(select(upper.xy, upper.zw, b % 2u == 1u), select(lower.xy, lower.zw, b % 2u == 1u));
#else
        let cells = vec4f(line0, line1);
#endif
        let channel = c + i % 2u;
        let passes = gates[b] >> (channel * 4u);
        bits[b] |= finish(place.sample, block * 8u + channel, row, column, cells, passes) << (channel * 4u);
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
  let jobs_end = (group + 1u) * jobs / params.workgroups;
  for (var job = group * jobs / params.workgroups; job < jobs_end; job++) {
    let first_tile = job / params.parts * GROUP_TILES + lane;
    for (var i = 0u; i < 8u * in_quads(); i++) {
      let own = i % 4u * LANES;
      let at = group * PLACES * patches_plane() + i / 4u * GROUP_TILES + own + lane;
      // Lanes beyond the last tile repeat it, and store none of its outputs: broadcasts need every lane.
      transform_patch(min(first_tile + own, tiles - 1u), i / 4u * 2u, at, sub_lane);
    }
    let part = job % params.parts * part_quads;
    let part_end = min(part + part_quads, quads);
    for (var first = part; first < part_end; first += params.quads) {
      let end = min(first + params.quads, part_end);
      for (var place = 0u; place < PLACES; place++) {
        for (var quad = first; quad < end; quad += GROUP_QUADS) {
          let to = own_products + place * products_plane() + (quad - first) * 2u * GROUP_TILES;
          multiply(group, place, quad, to, lane, sub_lane);
        }
      }
      for (var i = 0u; i < (end - first + 1u) / 2u * 4u; i++) {
        let own = i % 4u * LANES;
        let pair = i / 4u * 2u;
        if (first_tile + own < tiles) {
          finish_tile(first_tile + own, (first + pair) / 2u, own_products + pair * 2u * GROUP_TILES + own + lane);
        }
      }
    }
  }
}
