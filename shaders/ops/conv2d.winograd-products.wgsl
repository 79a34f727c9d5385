#if SUBGROUPS
enable subgroups;
#endif
// Second stage of a Winograd convolution: for each of the PATCH² places of a patch a matrix product,
// products [out / 4][tiles][4] = filters [out / 4][in / 4 · 4][4] · patches [in / 4][tiles][4].
// TRANSPOSED exchanges the filters' two kinds of channels, for the input gradient: `in` are then the channels of the
// gradient that comes in, and filters [in / 4][out / 4 · 4][4].
// A workgroup computes 32 output channels of 32 tiles; an invocation 4 tiles, 8 apart so that lanes read neighbours.
//   SUBGROUPS: 8 invocations of 32 channels. The lanes of a subgroup (8 with SUBGROUP_8, else 4) load different filters
//     and broadcast them: on CPU adapters loads cost more than arithmetic.
//   Without: 32 invocations of 8 channels.
// A step of the loop takes 4 input channels, with SUBGROUP_8 only 2: for lavapipe, whose loads are so many instructions that
// a core cannot hold the loop otherwise.
// Each sum is taken in the same order in every variant (blocks of channels, channels): all give the same bits.
struct Params {
  grid_first: u32,
  grid_end: u32,
  tiles: u32,
  in_quads: u32,
  out_quads: u32,
}
@group(0) @binding(0) var<storage, read> patches: array<Channels>;
#if TRANSPOSED
@group(0) @binding(1) var<storage, read> filters: array<Channels>;
#else
@group(0) @binding(1) var<storage, read> filters: array<vec4f>;
#endif
@group(0) @binding(2) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

// Input channels of a step.
#if SUBGROUP_8
alias Channels = vec2f;
const STEPS_OF_QUAD = 2u;
#else
alias Channels = vec4f;
const STEPS_OF_QUAD = 1u;
#endif

// Steps whose products are summed on their own before they join the total: rounding errors then grow with the square root of
// 32 + 16 terms instead of 512, at the price of one addition in 32.
const SUM_STEPS = 8u * STEPS_OF_QUAD;
const GROUP_TILES = 32u;
// Lanes side by side, and so how far apart the tiles of one are.
const LANES = 8u;
const GROUP_QUADS = 8u;

// 4 output channels of 4 tiles, a column for each tile.
alias Sums = mat4x4f;

// Filters of 4 output channels and a step's input channels: a column for each input channel, with TRANSPOSED for each output
// channel.
#if SUBGROUP_8
#if TRANSPOSED
alias Filters = mat4x2f;
#else
alias Filters = mat2x4f;
#endif
#else
alias Filters = mat4x4f;
#endif

// The channels of 4 tiles.
#if SUBGROUP_8
alias Patches = mat4x2f;
#else
alias Patches = mat4x4f;
#endif

#if TRANSPOSED
fn chain(sum: f32, v: Channels, u: Channels) -> f32 {
  let two = fma(u.y, v.y, fma(u.x, v.x, sum));
#if SUBGROUP_8
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
#if SUBGROUP_8
  return two;
#else
  return fma(u[3], vec4f(v.w), fma(u[2], vec4f(v.z), two));
#endif
#endif
}

fn add4(sums: Sums, v: Patches, u: Filters) -> Sums {
  return Sums(add(sums[0], v[0], u), add(sums[1], v[1], u), add(sums[2], v[2], u), add(sums[3], v[3], u));
}

// Where the filters of a quad of output channels begin. A quad beyond the last is computed like it, and not stored.
fn first_filter(place: u32, quad: u32) -> u32 {
  let in_front = place * params.in_quads * params.out_quads * 4u;
  let known = min(quad, params.out_quads - 1u);
#if TRANSPOSED
  return (in_front + known * 4u) * STEPS_OF_QUAD;
#else
  return in_front + known * params.in_quads * 4u;
#endif
}

#if SUBGROUPS
// The filters of one quad of output channels, in all lanes, out of what the lanes of the subgroup loaded.
#if SUBGROUP_8
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
#else
fn share0(loaded: vec4f) -> Filters {
  return Filters(
    subgroupBroadcast(loaded, 0u),
    subgroupBroadcast(loaded, 1u),
    subgroupBroadcast(loaded, 2u),
    subgroupBroadcast(loaded, 3u),
  );
}
#endif
#else
fn load_filters(at: u32) -> Filters {
  return Filters(filters[at], filters[at + 1u], filters[at + 2u], filters[at + 3u]);
}
#endif

fn store(place: u32, quad: u32, tile: u32, sums: Sums) {
  if (quad >= params.out_quads) {
    return;
  }
  let at = (place * params.out_quads + quad) * params.tiles + tile;
  if (tile < params.tiles) {
    products[at] = sums[0];
  }
  if (tile + LANES < params.tiles) {
    products[at + LANES] = sums[1];
  }
  if (tile + 2u * LANES < params.tiles) {
    products[at + 2u * LANES] = sums[2];
  }
  if (tile + 3u * LANES < params.tiles) {
    products[at + 3u * LANES] = sums[3];
  }
}

#if SUBGROUPS
@compute @workgroup_size(LANES)
#else
@compute @workgroup_size(4u * LANES)
#endif
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
  // Blocks of output channels follow each other, so that the patches they share stay in the cache.
  let blocks = (params.out_quads + GROUP_QUADS - 1u) / GROUP_QUADS;
  let tile_groups = (params.tiles + GROUP_TILES - 1u) / GROUP_TILES;
  let place = group / (blocks * tile_groups);
  let tile = group / blocks % tile_groups * GROUP_TILES + lane % LANES;
  let group_quad = group % blocks * GROUP_QUADS;
#if SUBGROUPS
  let quad = group_quad;
#if SUBGROUP_8
#if TRANSPOSED
  var f0 = first_filter(place, quad + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
  var f1 = first_filter(place, quad + 2u + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
  var f2 = first_filter(place, quad + 4u + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
  var f3 = first_filter(place, quad + 6u + sub_lane / 4u) + sub_lane % 4u * STEPS_OF_QUAD;
#else
  var f0 = first_filter(place, quad + sub_lane / 2u) + sub_lane % 2u;
  var f1 = first_filter(place, quad + 4u + sub_lane / 2u) + sub_lane % 2u;
#endif
#else
  var f0 = first_filter(place, quad) + sub_lane;
  var f1 = first_filter(place, quad + 1u) + sub_lane;
  var f2 = first_filter(place, quad + 2u) + sub_lane;
  var f3 = first_filter(place, quad + 3u) + sub_lane;
  var f4 = first_filter(place, quad + 4u) + sub_lane;
  var f5 = first_filter(place, quad + 5u) + sub_lane;
  var f6 = first_filter(place, quad + 6u) + sub_lane;
  var f7 = first_filter(place, quad + 7u) + sub_lane;
#endif
#else
  let quad = group_quad + lane / LANES * 2u;
  var f0 = first_filter(place, quad);
  var f1 = first_filter(place, quad + 1u);
#endif
  // Lanes beyond the last tile repeat it and store nothing: broadcasts need every lane.
  let last_tile = params.tiles - 1u;
  let place_patches = place * params.in_quads * params.tiles;
  var at0 = (place_patches + min(tile, last_tile)) * STEPS_OF_QUAD;
  var at1 = (place_patches + min(tile + LANES, last_tile)) * STEPS_OF_QUAD;
  var at2 = (place_patches + min(tile + 2u * LANES, last_tile)) * STEPS_OF_QUAD;
  var at3 = (place_patches + min(tile + 3u * LANES, last_tile)) * STEPS_OF_QUAD;

  var total0 = Sums();
  var total1 = Sums();
#if SUBGROUPS
  var total2 = Sums();
  var total3 = Sums();
  var total4 = Sums();
  var total5 = Sums();
  var total6 = Sums();
  var total7 = Sums();
#endif
  let steps = params.in_quads * STEPS_OF_QUAD;
  for (var first = 0u; first < steps; first += SUM_STEPS) {
    let end = min(first + SUM_STEPS, steps);
    var s0 = Sums();
    var s1 = Sums();
#if SUBGROUPS
    var s2 = Sums();
    var s3 = Sums();
    var s4 = Sums();
    var s5 = Sums();
    var s6 = Sums();
    var s7 = Sums();
#endif
    for (var step = first; step < end; step++) {
#if SUBGROUP_8
      // To the other half of the quad, or from its end to the next one.
      let ends_quad = step % 2u == 1u;
      let patch_step = select(1u, params.tiles * 2u - 1u, ends_quad);
#if TRANSPOSED
      let filter_step = select(1u, params.out_quads * 8u - 1u, ends_quad);
#else
      let filter_step = 2u;
#endif
#else
      let patch_step = params.tiles;
#if TRANSPOSED
      let filter_step = params.out_quads * 4u;
#else
      let filter_step = 4u;
#endif
#endif
      let v = Patches(patches[at0], patches[at1], patches[at2], patches[at3]);
      at0 += patch_step;
      at1 += patch_step;
      at2 += patch_step;
      at3 += patch_step;
#if SUBGROUPS
#if SUBGROUP_8
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
#else
      let l0 = filters[f0];
      let l1 = filters[f1];
      let l2 = filters[f2];
      let l3 = filters[f3];
      let l4 = filters[f4];
      let l5 = filters[f5];
      let l6 = filters[f6];
      let l7 = filters[f7];
      f0 += filter_step;
      f1 += filter_step;
      f2 += filter_step;
      f3 += filter_step;
      f4 += filter_step;
      f5 += filter_step;
      f6 += filter_step;
      f7 += filter_step;
      s0 = add4(s0, v, share0(l0));
      s1 = add4(s1, v, share0(l1));
      s2 = add4(s2, v, share0(l2));
      s3 = add4(s3, v, share0(l3));
      s4 = add4(s4, v, share0(l4));
      s5 = add4(s5, v, share0(l5));
      s6 = add4(s6, v, share0(l6));
      s7 = add4(s7, v, share0(l7));
#endif
#else
      s0 = add4(s0, v, load_filters(f0));
      s1 = add4(s1, v, load_filters(f1));
      f0 += filter_step;
      f1 += filter_step;
#endif
    }
    total0 += s0;
    total1 += s1;
#if SUBGROUPS
    total2 += s2;
    total3 += s3;
    total4 += s4;
    total5 += s5;
    total6 += s6;
    total7 += s7;
#endif
  }

  store(place, quad, tile, total0);
  store(place, quad + 1u, tile, total1);
#if SUBGROUPS
  store(place, quad + 2u, tile, total2);
  store(place, quad + 3u, tile, total3);
  store(place, quad + 4u, tile, total4);
  store(place, quad + 5u, tile, total5);
  store(place, quad + 6u, tile, total6);
  store(place, quad + 7u, tile, total7);
#endif
}
