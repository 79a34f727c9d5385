#if SUBGROUPS
enable subgroups;
#endif
// Second stage of a Winograd convolution: for each of the PATCH² places of a patch a matrix product,
// products [out / 4][tiles][4] = filters [out / 4][in / 4 · 4][4] · patches [in / 4][tiles][4].
// TRANSPOSED exchanges the filters' two kinds of channels, for the input gradient: `in` are then the channels of the
// gradient that comes in, and filters [in / 4][out / 4 · 4][4].
// A workgroup computes 32 output channels of 32 tiles; an invocation 4 tiles, 8 apart so that lanes read neighbours.
//   SUBGROUPS, of 4 lanes: 8 invocations of 32 channels. The lanes of a subgroup load different filters and broadcast them: on
//     CPU adapters loads cost more than arithmetic.
//   Without: 32 invocations of 8 channels.
struct Params {
  grid_first: u32,
  grid_end: u32,
  tiles: u32,
  in_quads: u32,
  out_quads: u32,
}
@group(0) @binding(0) var<storage, read> patches: array<vec4f>;
@group(0) @binding(1) var<storage, read> filters: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

const GROUP_TILES = 32u;
// Lanes side by side, and so how far apart the tiles of one are.
const LANES = 8u;
const GROUP_QUADS = 8u;

// Where the filters of a quad of output channels begin. A quad beyond the last is computed like it, and not stored.
fn first_filter(place: u32, quad: u32) -> u32 {
  let in_front = place * params.in_quads * params.out_quads * 4u;
  let known = min(quad, params.out_quads - 1u);
#if TRANSPOSED
  return in_front + known * 4u;
#else
  return in_front + known * params.in_quads * 4u;
#endif
}

#if SUBGROUPS
// The filters of one quad of output channels, in all lanes, out of what the lanes of the subgroup loaded.
fn share(loaded: vec4f) -> Filters {
  return Filters(
    subgroupBroadcast(loaded, 0u),
    subgroupBroadcast(loaded, 1u),
    subgroupBroadcast(loaded, 2u),
    subgroupBroadcast(loaded, 3u),
  );
}
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
  var f0 = first_filter(place, quad) + sub_lane;
  var f1 = first_filter(place, quad + 1u) + sub_lane;
  var f2 = first_filter(place, quad + 2u) + sub_lane;
  var f3 = first_filter(place, quad + 3u) + sub_lane;
  var f4 = first_filter(place, quad + 4u) + sub_lane;
  var f5 = first_filter(place, quad + 5u) + sub_lane;
  var f6 = first_filter(place, quad + 6u) + sub_lane;
  var f7 = first_filter(place, quad + 7u) + sub_lane;
#else
  let quad = group_quad + lane / LANES * 2u;
  var f0 = first_filter(place, quad);
  var f1 = first_filter(place, quad + 1u);
#endif
  // Lanes beyond the last tile repeat it and store nothing: broadcasts need every lane.
  let last_tile = params.tiles - 1u;
  let place_patches = place * params.in_quads * params.tiles;
  var at0 = place_patches + min(tile, last_tile);
  var at1 = place_patches + min(tile + LANES, last_tile);
  var at2 = place_patches + min(tile + 2u * LANES, last_tile);
  var at3 = place_patches + min(tile + 3u * LANES, last_tile);

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
  for (var first = 0u; first < params.in_quads; first += SUM_STEPS) {
    let end = min(first + SUM_STEPS, params.in_quads);
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
#if TRANSPOSED
      let filter_step = params.out_quads * 4u;
#else
      let filter_step = 4u;
#endif
      let v = Patches(patches[at0], patches[at1], patches[at2], patches[at3]);
      at0 += params.tiles;
      at1 += params.tiles;
      at2 += params.tiles;
      at3 += params.tiles;
#if SUBGROUPS
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
      s0 = add4(s0, v, share(l0));
      s1 = add4(s1, v, share(l1));
      s2 = add4(s2, v, share(l2));
      s3 = add4(s3, v, share(l3));
      s4 = add4(s4, v, share(l4));
      s5 = add4(s5, v, share(l5));
      s6 = add4(s6, v, share(l6));
      s7 = add4(s7, v, share(l7));
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
