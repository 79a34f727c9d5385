// Noisy copies of the model's input: y[m][e] = x[e] + σ z(seed, sample, e) for the first `noisy` rows, and the clean input
// in the rows behind them. z is standard normal from Philox4x32-10 by Box and Muller: key = seed, counter =
// (e / 4, sample, 0, 0), element e takes the normal e mod 4. An invocation writes four elements of one row.
struct Params {
  grid_first: u32,
  grid_end: u32,
  rows: u32,
  noisy: u32,
  elements: u32,
  first_sample: u32,
  seed_low: u32,
  seed_high: u32,
  std_dev: f32,
  relative: u32, // 1: σ = std_dev * (max x - min x)
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> range: array<f32>; // min x, max x
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// 24 significant bits: exact in float32 and never 0.
fn uniform_open(word: u32) -> f32 {
  return (f32(word >> 9u) + 0.5) * 1.1920928955078125e-7;
}

fn normals(words: vec4u) -> vec4f {
  let a = sqrt_accurate(-2.0 * ln_accurate(uniform_open(words.x))) * cos_sin_turns(uniform_open(words.y));
  let b = sqrt_accurate(-2.0 * ln_accurate(uniform_open(words.z))) * cos_sin_turns(uniform_open(words.w));
  return vec4f(a, b);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let quads = (params.elements + 3u) / 4u;
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.rows * quads) {
    return;
  }
  let quad = at % quads;
  let row = at / quads;
  var shift = vec4f();
  if (row < params.noisy) {
    let sigma = params.std_dev * select(1.0, range[1] - range[0], params.relative == 1u);
    let words = philox4x32_10(vec4u(quad, params.first_sample + row, 0u, 0u), vec2u(params.seed_low, params.seed_high));
    shift = sigma * normals(words);
  }
  let first = quad * 4u;
  let base = row * params.elements;
  for (var i = 0u; i < 4u && first + i < params.elements; i++) {
    y[base + first + i] = x[first + i] + shift[i];
  }
}
