// Sums of an element's derivatives over the samples: (Σ D1, Σ D2 / s², Σ D3 / s³, s). s is a power of two above the largest
// |g| of the element so far; powers of small gradients would underflow without it, and scaling by powers of two is exact, so
// that the sums do not depend on how samples were split into batches, nor on the kernel that adds them.

// The least s of a gradient.
fn moment_scale(g: f32) -> f32 {
  return select(power_of_two(scale_exponent(g)), 0.0, g == 0.0);
}

fn raise_scale(sum: vec4f, scale: f32) -> vec4f {
  if (scale <= sum.w) {
    return sum;
  }
  let ratio = sum.w * inverse_power_of_two(scale);
  return vec4f(sum.x, sum.y * ratio * ratio, sum.z * ratio * ratio * ratio, scale);
}

// Adds φ' g, φ'' g² and φ''' g³ of a sample, for which s is large enough. `weights` are (factor for the sums so far, φ', φ'',
// φ''').
fn add_derivatives(sum: vec4f, g: f32, weights: vec4f) -> vec4f {
  let h = g * inverse_power_of_two(sum.w);
  return vec4f(
    fma(weights.y, g, sum.x * weights.x),
    fma(weights.z * h, h, sum.y * weights.x),
    fma(weights.w * h * h, h, sum.z * weights.x),
    sum.w,
  );
}

fn add_sample(sum: vec4f, g: f32, weights: vec4f) -> vec4f {
  return add_derivatives(raise_scale(sum, moment_scale(g)), g, weights);
}
