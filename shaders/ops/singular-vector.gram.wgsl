// The Gram matrix of the feature maps in slices, G_kl = Σ h_k h_l over a slice of the cells, with h = A / s, s a power of
// two above every |A|: nothing overflows, and what underflows is too small to matter. An invocation makes the slice's
// sums for a tile of 4 × 4 entries on or above the diagonal, and their mirror images. Without workgroup memory: on
// SwiftShader, lanes that share the cells and add up behind a barrier took 40 times as long at 512 maps of 14 × 14.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32,
  cells: u32, // of one map
  slice_cells: u32,
  slices: u32,
}
@group(0) @binding(0) var<storage, read> activations: array<f32>;
@group(0) @binding(1) var<storage, read> largest: array<u32>; // one: the bits of the largest |A|
@group(0) @binding(2) var<storage, read_write> gram: array<f32>; // [slices, maps, maps]
@group(0) @binding(3) var<uniform> params: Params;

const TILE = 4u;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  // Rows of tiles from both ends make pairs of as many tiles each, the diagonal's included.
  let tiles = (params.maps + TILE - 1u) / TILE;
  let pairs = (tiles + 1u) / 2u;
  let slice = at / (pairs * (tiles + 1u));
  let pair = at / (tiles + 1u) % pairs;
  let place = at % (tiles + 1u);
  if (group >= params.grid_end || slice >= params.slices) {
    return;
  }
  var tile = vec2u(pair, pair + place);
  if (tile.y >= tiles) {
    tile = vec2u(tiles - 1u - pair, place - 1u);
    if (tile.x == pair) {
      return; // The middle row has no partner.
    }
  }
  let row = tile.x * TILE;
  let column = tile.y * TILE;

  let unscale = power_of_two(254u - scale_exponent(bitcast<f32>(largest[0])));
  // Behind the last map, the last one again.
  let last = params.maps - 1u;
  let rows = min(vec4u(row, row + 1u, row + 2u, row + 3u), vec4u(last)) * params.cells;
  let columns = min(vec4u(column, column + 1u, column + 2u, column + 3u), vec4u(last)) * params.cells;
  let first_cell = slice * params.slice_cells;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var i = first_cell; i < min(first_cell + params.slice_cells, params.cells); i++) {
    let a = unscale * vec4f(
      activations[rows.x + i],
      activations[rows.y + i],
      activations[rows.z + i],
      activations[rows.w + i],
    );
    let b = unscale * vec4f(
      activations[columns.x + i],
      activations[columns.y + i],
      activations[columns.z + i],
      activations[columns.w + i],
    );
    sum0 = fma(vec4f(a.x), b, sum0);
    sum1 = fma(vec4f(a.y), b, sum1);
    sum2 = fma(vec4f(a.z), b, sum2);
    sum3 = fma(vec4f(a.w), b, sum3);
  }
  store_row(slice, row, column, sum0);
  store_row(slice, row + 1u, column, sum1);
  store_row(slice, row + 2u, column, sum2);
  store_row(slice, row + 3u, column, sum3);
}

fn store_row(slice: u32, row: u32, column: u32, sums: vec4f) {
  if (row >= params.maps) {
    return;
  }
  let base = slice * params.maps * params.maps;
  for (var c = 0u; c < TILE && column + c < params.maps; c++) {
    gram[base + row * params.maps + column + c] = sums[c];
    gram[base + (column + c) * params.maps + row] = sums[c];
  }
}
