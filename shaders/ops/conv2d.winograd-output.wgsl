// Last stage of a Winograd convolution: Aᵀ m A of every tile's products m; what becomes of the outputs is in
// conv-output.wgsl. Products [PATCH²][out_channels / 4][tiles][4], the tiles those of `samples` samples from
// `first_sample` on. An invocation finishes one tile of 8 channels. Its loops keep the code short: unrolled it takes
// compilers of CPU adapters half a minute.
// FLIPPED turns tiles by half a turn, which undoes what the first stage did to their patches.
struct Params {
  grid_first: u32,
  grid_end: u32,
  first_sample: u32,
  samples: u32,
  out_channels: u32,
  height: u32,
  width: u32,
}
@group(0) @binding(0) var<storage, read> products: array<vec4f>;
@group(0) @binding(1) var<uniform> params: Params;

alias Cell = vec4f;

// A column of the tile's products, transformed.
fn column_of(at: u32, step: u32) -> Outputs {
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
  let quads = (params.out_channels + 3u) / 4u;
  let index = group * 64u + lane;
  if (group >= params.grid_end || index >= (quads + 1u) / 2u * tiles) {
    return;
  }
  let tile = index % tiles;
  let block = index / tiles;
  let sample = params.first_sample + tile / (tiles_x * tiles_y);
  let top = tile / tiles_x % tiles_y * TILE;
  let left = tile % tiles_x * TILE;
  let plane = quads * tiles;
  let output_weights = OUTPUT_WEIGHTS;

  // Bits of the tile's blocks of 2 × 2 cells.
#if TILE_4
  let gates = vec4u(
    read_gate(sample, block, top, left), read_gate(sample, block, top, left + 2u),
    read_gate(sample, block, top + 2u, left), read_gate(sample, block, top + 2u, left + 2u),
  );
  var bits = vec4u();
#else
  let gates = read_gate(sample, block, top, left);
  var bits = 0u;
#endif
  for (var quad = block * 2u; quad < min(block * 2u + 2u, quads); quad++) {
    var o00 = vec4f();
    var o01 = vec4f();
    var o10 = vec4f();
    var o11 = vec4f();
#if TILE_4
    var o02 = vec4f();
    var o03 = vec4f();
    var o12 = vec4f();
    var o13 = vec4f();
    var o20 = vec4f();
    var o21 = vec4f();
    var o22 = vec4f();
    var o23 = vec4f();
    var o30 = vec4f();
    var o31 = vec4f();
    var o32 = vec4f();
    var o33 = vec4f();
#endif
    for (var column = 0u; column < PATCH; column++) {
      let outputs = column_of((column * quads + quad) * tiles + tile, PATCH * plane);
#if FLIPPED
#if TILE_4
      let w = output_weights[column].wzyx;
      let line = Outputs(outputs[3], outputs[2], outputs[1], outputs[0]);
#else
      let w = output_weights[column].yx;
      let line = Outputs(outputs[1], outputs[0]);
#endif
#else
      let w = output_weights[column];
      let line = outputs;
#endif
      o00 = fma(vec4f(w[0]), line[0], o00);
      o01 = fma(vec4f(w[1]), line[0], o01);
      o10 = fma(vec4f(w[0]), line[1], o10);
      o11 = fma(vec4f(w[1]), line[1], o11);
#if TILE_4
      o02 = fma(vec4f(w[2]), line[0], o02);
      o03 = fma(vec4f(w[3]), line[0], o03);
      o12 = fma(vec4f(w[2]), line[1], o12);
      o13 = fma(vec4f(w[3]), line[1], o13);
      o20 = fma(vec4f(w[0]), line[2], o20);
      o21 = fma(vec4f(w[1]), line[2], o21);
      o22 = fma(vec4f(w[2]), line[2], o22);
      o23 = fma(vec4f(w[3]), line[2], o23);
      o30 = fma(vec4f(w[0]), line[3], o30);
      o31 = fma(vec4f(w[1]), line[3], o31);
      o32 = fma(vec4f(w[2]), line[3], o32);
      o33 = fma(vec4f(w[3]), line[3], o33);
#endif
    }
    let channel = quad * 4u;
    let shift = quad % 2u * 16u;
#if TILE_4
    for (var corner = 0u; corner < 4u; corner++) {
      let right = corner % 2u == 1u;
      let below = corner >= 2u;
      let word = finish4(
        sample, channel, top + select(0u, 2u, below), left + select(0u, 2u, right),
        select(select(o00, o02, right), select(o20, o22, right), below),
        select(select(o01, o03, right), select(o21, o23, right), below),
        select(select(o10, o12, right), select(o30, o32, right), below),
        select(select(o11, o13, right), select(o31, o33, right), below),
        gates[corner] >> shift,
      );
      bits[corner] |= word << shift;
    }
#else
    bits |= finish4(sample, channel, top, left, o00, o01, o10, o11, gates >> shift) << shift;
#endif
  }
#if TILE_4
  write_bits(sample, block, top, left, bits.x);
  write_bits(sample, block, top, left + 2u, bits.y);
  write_bits(sample, block, top + 2u, left, bits.z);
  write_bits(sample, block, top + 2u, left + 2u, bits.w);
#else
  write_bits(sample, block, top, left, bits);
#endif
}
