// The sums of moments.wgsl at the input of a max-pooling by 2 × 2 windows that tile it exactly, from the gradient at its output
// and from the codes of maxpool.wgsl: the gradient at the input, three quarters of it zeros, is never written. An invocation
// adds up the four cells of a window.
// With WEIGHTED, φ', φ'' and φ''' are each sample's own, else 1.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  channels: u32,
  out_height: u32,
  out_width: u32,
  restart: u32, // 1: the sums begin here
}
@group(0) @binding(0) var<storage, read> grad_y: array<f32>;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec4f>;
#if WEIGHTED
@group(0) @binding(3) var<storage, read> sample_weights: array<vec4f>; // (factor for the sums so far, φ', φ'', φ''')
#endif
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let window = group * 64u + lane;
  let out_plane = params.out_height * params.out_width;
  let windows = params.channels * out_plane;
  if (group >= params.grid_end || window >= windows) {
    return;
  }
  let channel = window / out_plane;
  let out_at = window % out_plane;
  let width = 2u * params.out_width;
  let upper = 2u * (window / params.out_width * width + window % params.out_width);
  let lower = upper + width;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  if (params.restart == 0u) {
    sum0 = sums[upper];
    sum1 = sums[upper + 1u];
    sum2 = sums[lower];
    sum3 = sums[lower + 1u];
  }
  let blocks = (params.channels + 7u) / 8u; // of channels whose codes share a word
  for (var m = 0u; m < params.samples; m++) {
    let gradient = grad_y[m * windows + window];
    let word = codes[(m * blocks + channel / 8u) * out_plane + out_at];
    // Whether the window is dead, the code's top bit, counts in front of a ReLU, not behind it.
    let winner = (word >> (channel % 8u * 4u)) & 3u;
#if WEIGHTED
    let weights = sample_weights[m];
#else
    let weights = vec4f(1.0);
#endif
    sum0 = add_sample(sum0, select(0.0, gradient, winner == 0u), weights);
    sum1 = add_sample(sum1, select(0.0, gradient, winner == 1u), weights);
    sum2 = add_sample(sum2, select(0.0, gradient, winner == 2u), weights);
    sum3 = add_sample(sum3, select(0.0, gradient, winner == 3u), weights);
  }
  sums[upper] = sum0;
  sums[upper + 1u] = sum1;
  sums[lower] = sum2;
  sums[lower + 1u] = sum3;
}
