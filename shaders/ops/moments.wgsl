// Running sums of the first three powers of the gradient, sample after sample: per element (Σ ω g, Σ ω h², Σ ω h³, s)
// with h = g / s. s is a power of two above the largest |g| of the element so far; powers of small gradients would
// underflow without it, and scaling by powers of two is exact, so that the sums do not depend on how samples were split
// into batches. With WEIGHTED, ω comes from moments.sample-weights.wgsl, else it is 1.
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
@group(0) @binding(2) var<storage, read> sample_weights: array<vec2f>; // (factor for the sums so far, ω)
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
    let exponent = scale_exponent(g);
    if (g != 0.0 && power_of_two(exponent) > sum.w) {
      let ratio = sum.w * power_of_two(254u - exponent);
      sum = vec4f(sum.x, sum.y * ratio * ratio, sum.z * ratio * ratio * ratio, power_of_two(exponent));
    }
    var h = 0.0;
    if (g != 0.0) {
      h = g * power_of_two(254u - (bitcast<u32>(sum.w) >> 23u));
    }
#if WEIGHTED
    let factor = sample_weights[m].x;
    let weight = sample_weights[m].y;
#else
    let factor = 1.0;
    let weight = 1.0;
#endif
    sum = vec4f(
      fma(weight, g, sum.x * factor),
      fma(weight * h, h, sum.y * factor),
      fma(weight * h * h, h, sum.z * factor),
      sum.w,
    );
  }
  sums[at] = sum;
}
