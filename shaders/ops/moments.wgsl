// Running sums of the score's first three derivatives, sample after sample, as add-moments.wgsl holds them.
//   Y = φ(x), x linear in the element with the slope g: D_p = φ⁽ᵖ⁾ gᵖ. With WEIGHTED, φ', φ'' and φ''' are each sample's
//   own, else 1.
//   SPREAD: x = log p of the class, whose derivatives are g = g_c - ḡ, -v and -m3, the last two from class-moments.wgsl:
//   D1 = φ' g, D2 = φ'' g² - φ' v, D3 = φ''' g³ - 3 φ'' g v - φ' m3.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  elements: u32, // per sample
  restart: u32, // 1: the sums begin here
}
@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4f>;
#if WEIGHTED
@group(0) @binding(2) var<storage, read> sample_weights: array<vec4f>; // (factor for the sums so far, φ', φ'', φ''')
#endif
#if SPREAD
@group(0) @binding(4) var<storage, read> class_moments: array<f32>; // per sample and element (v / s², m3 / s³, s)
#endif
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.elements) {
    return;
  }
  var sum = vec4f();
  if (params.restart == 0u) {
    sum = sums[at];
  }
  for (var m = 0u; m < params.samples; m++) {
    let g = grad[m * params.elements + at];
#if WEIGHTED
    let weights = sample_weights[m];
#else
    let weights = vec4f(1.0);
#endif
#if SPREAD
    let moments_at = 3u * (m * params.elements + at);
    let class_scale = class_moments[moments_at + 2u];
    sum = add_derivatives(raise_scale(sum, max(moment_scale(g), class_scale)), g, weights);
    let inverse = inverse_power_of_two(sum.w);
    let ratio = class_scale * inverse;
    let v = class_moments[moments_at] * ratio * ratio;
    let m3 = class_moments[moments_at + 1u] * ratio * ratio * ratio;
    sum.y = fma(-weights.y, v, sum.y);
    sum.z -= fma(3.0 * weights.z * (g * inverse), v, weights.y * m3);
#else
    sum = add_sample(sum, g, weights);
#endif
  }
  sums[at] = sum;
}
