// Running sums of the score's first three derivatives, sample after sample: per element (Σ D1, Σ D2 / s², Σ D3 / s³, s).
// s is a power of two above the largest |g| of the element so far; powers of small gradients would underflow without it,
// and scaling by powers of two is exact, so that the sums do not depend on how samples were split into batches.
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
    var scale = select(power_of_two(scale_exponent(g)), 0.0, g == 0.0);
#if SPREAD
    let moments_at = 3u * (m * params.elements + at);
    let class_scale = class_moments[moments_at + 2u];
    scale = max(scale, class_scale);
#endif
    if (scale > sum.w) {
      let ratio = sum.w * inverse_power_of_two(scale);
      sum = vec4f(sum.x, sum.y * ratio * ratio, sum.z * ratio * ratio * ratio, scale);
    }
    let inverse = inverse_power_of_two(sum.w);
    let h = g * inverse;
#if WEIGHTED
    let weights = sample_weights[m];
#else
    let weights = vec4f(1.0);
#endif
    sum = vec4f(
      fma(weights.y, g, sum.x * weights.x),
      fma(weights.z * h, h, sum.y * weights.x),
      fma(weights.w * h * h, h, sum.z * weights.x),
      sum.w,
    );
#if SPREAD
    let ratio = class_scale * inverse;
    let v = class_moments[moments_at] * ratio * ratio;
    let m3 = class_moments[moments_at + 1u] * ratio * ratio * ratio;
    sum.y = fma(-weights.y, v, sum.y);
    sum.z -= fma(3.0 * weights.z * h, v, weights.y * m3);
#endif
  }
  sums[at] = sum;
}
