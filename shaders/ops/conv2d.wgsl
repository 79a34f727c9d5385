// Convolution of any kernel size, stride and padding. An invocation computes 4 neighbouring outputs of 8 channels.
// Input x [samples, in_channels, height, width]; weights packed [out_channels / 8][in_channels][kernel²][8];
// output y [samples, out_channels, out_height, out_width].
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
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<StoredWeights>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn load(base: u32, row: i32, column: i32) -> f32 {
  let inside = row >= 0 && column >= 0 && row < i32(params.height) && column < i32(params.width);
  let at = select(0u, u32(row) * params.width + u32(column), inside);
  return select(0.0, x[base + at], inside);
}

fn store(channel: u32, base: u32, position: u32, value: f32) {
  if (channel >= params.out_channels) {
    return;
  }
  let plane = params.out_height * params.out_width;
  var v = value + bias[channel];
#if RELU
  v = rectify(v);
#endif
  y[base + channel * plane + position] = v;
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
  let tiles_x = (params.out_width + 3u) / 4u;
  let tiles = params.samples * params.out_height * tiles_x;
  let tile_groups = (tiles + 63u) / 64u;
  let tile = (group % tile_groups) * 64u + lane;
  let block = group / tile_groups;
  if (tile >= tiles) {
    return;
  }
  let out_column = (tile % tiles_x) * 4u;
  let out_row = (tile / tiles_x) % params.out_height;
  let sample = tile / (tiles_x * params.out_height);
  let plane = params.height * params.width;
  let taps = params.kernel * params.kernel;
  let first_row = i32(out_row * params.stride) - i32(params.padding);
  let first_column = i32(out_column * params.stride) - i32(params.padding);
  let stride = i32(params.stride);

  var a0 = vec4f();
  var a1 = vec4f();
  var a2 = vec4f();
  var a3 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  var b2 = vec4f();
  var b3 = vec4f();
  for (var channel = 0u; channel < params.in_channels; channel++) {
    let base = (sample * params.in_channels + channel) * plane;
    var at = (block * params.in_channels + channel) * taps * 2u;
    for (var ky = 0u; ky < params.kernel; ky++) {
      let row = first_row + i32(ky);
      for (var kx = 0u; kx < params.kernel; kx++) {
        let column = first_column + i32(kx);
        let w0 = widen(weights[at]);
        let w1 = widen(weights[at + 1u]);
        at += 2u;
        let x0 = vec4f(load(base, row, column));
        let x1 = vec4f(load(base, row, column + stride));
        let x2 = vec4f(load(base, row, column + 2 * stride));
        let x3 = vec4f(load(base, row, column + 3 * stride));
        a0 = fma(w0, x0, a0);
        a1 = fma(w0, x1, a1);
        a2 = fma(w0, x2, a2);
        a3 = fma(w0, x3, a3);
        b0 = fma(w1, x0, b0);
        b1 = fma(w1, x1, b1);
        b2 = fma(w1, x2, b2);
        b3 = fma(w1, x3, b3);
      }
    }
  }

  let base = sample * params.out_channels * params.out_height * params.out_width;
  let position = out_row * params.out_width + out_column;
  let channel = block * 8u;
  store4(channel, base, position, a0);
  store4(channel + 4u, base, position, b0);
  if (out_column + 1u < params.out_width) {
    store4(channel, base, position + 1u, a1);
    store4(channel + 4u, base, position + 1u, b1);
  }
  if (out_column + 2u < params.out_width) {
    store4(channel, base, position + 2u, a2);
    store4(channel + 4u, base, position + 2u, b2);
  }
  if (out_column + 3u < params.out_width) {
    store4(channel, base, position + 3u, a3);
    store4(channel + 4u, base, position + 3u, b3);
  }
}
