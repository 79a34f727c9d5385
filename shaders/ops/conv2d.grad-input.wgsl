// Gradient of a convolution with respect to its input, for any kernel size, stride and padding: each input cell gathers
// from the outputs that read it. An invocation computes 4 neighbouring cells of 8 input channels.
// grad_y [samples, out_channels, out_height, out_width]; weights packed [in_channels / 8][out_channels][kernel², rotated
// by half a turn][8]; grad_x [samples, in_channels, height, width].
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  in_channels: u32,
  out_channels: u32,
  height: u32,
  width: u32,
  out_height: u32,
  out_width: u32,
  kernel: u32,
  stride: u32,
  padding: u32,
}
@group(0) @binding(0) var<storage, read> grad_y: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<StoredWeights>;
@group(0) @binding(2) var<storage, read_write> grad_x: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// grad_y where the window that puts tap `ky`, `kx` on the cell exists, else 0; `row` and `column` are in input cells.
fn load(base: u32, row: i32, column: i32) -> f32 {
  let stride = i32(params.stride);
  let out_row = row / stride;
  let out_column = column / stride;
  let inside = row >= 0 && column >= 0 && out_row * stride == row && out_column * stride == column &&
    out_row < i32(params.out_height) && out_column < i32(params.out_width);
  let at = select(0u, u32(out_row) * params.out_width + u32(out_column), inside);
  return select(0.0, grad_y[base + at], inside);
}

fn store(channel: u32, base: u32, position: u32, value: f32) {
  if (channel < params.in_channels) {
    grad_x[base + channel * params.height * params.width + position] = value;
  }
}

fn store4(channel: u32, base: u32, position: u32, values: vec4f) {
  store(channel, base, position, values.x);
  store(channel + 1u, base, position, values.y);
  store(channel + 2u, base, position, values.z);
  store(channel + 3u, base, position, values.w);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
  let tiles_x = (params.width + 3u) / 4u;
  let tiles = params.samples * params.height * tiles_x;
  let tile_groups = (tiles + 63u) / 64u;
  let tile = (group % tile_groups) * 64u + lane;
  let block = group / tile_groups;
  if (tile >= tiles) {
    return;
  }
  let column0 = (tile % tiles_x) * 4u;
  let row0 = (tile / tiles_x) % params.height;
  let sample = tile / (tiles_x * params.height);
  let out_plane = params.out_height * params.out_width;
  let taps = params.kernel * params.kernel;

  var a0 = vec4f();
  var a1 = vec4f();
  var a2 = vec4f();
  var a3 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  var b2 = vec4f();
  var b3 = vec4f();
  for (var channel = 0u; channel < params.out_channels; channel++) {
    let base = (sample * params.out_channels + channel) * out_plane;
    // Rotated weights: the last tap comes first.
    var at = ((block * params.out_channels + channel) * taps + taps) * 2u;
    for (var ky = 0u; ky < params.kernel; ky++) {
      let row = i32(row0 + params.padding) - i32(ky);
      for (var kx = 0u; kx < params.kernel; kx++) {
        let column = i32(column0 + params.padding) - i32(kx);
        at -= 2u;
        let w0 = widen(weights[at]);
        let w1 = widen(weights[at + 1u]);
        let g0 = vec4f(load(base, row, column));
        let g1 = vec4f(load(base, row, column + 1));
        let g2 = vec4f(load(base, row, column + 2));
        let g3 = vec4f(load(base, row, column + 3));
        a0 = fma(w0, g0, a0);
        a1 = fma(w0, g1, a1);
        a2 = fma(w0, g2, a2);
        a3 = fma(w0, g3, a3);
        b0 = fma(w1, g0, b0);
        b1 = fma(w1, g1, b1);
        b2 = fma(w1, g2, b2);
        b3 = fma(w1, g3, b3);
      }
    }
  }

  let base = sample * params.in_channels * params.height * params.width;
  let position = row0 * params.width + column0;
  let channel = block * 8u;
  store4(channel, base, position, a0);
  store4(channel + 4u, base, position, b0);
  if (column0 + 1u < params.width) {
    store4(channel, base, position + 1u, a1);
    store4(channel + 4u, base, position + 1u, b1);
  }
  if (column0 + 2u < params.width) {
    store4(channel, base, position + 2u, a2);
    store4(channel + 4u, base, position + 2u, b2);
  }
  if (column0 + 3u < params.width) {
    store4(channel, base, position + 3u, a3);
    store4(channel + 4u, base, position + 3u, b3);
  }
}
