// D1, D2 and D3 of an element from the sums of moments.wgsl over n samples. The second and third power of the scale leave
// float32's range before the sums do: below gradients of about 1e-19 D2 is zero, below 1e-13 D3.
fn decode_moments(sum: vec4f, samples: u32) -> vec3f {
  let scale = vec3f(1.0, sum.w * sum.w, sum.w * sum.w * sum.w);
  return sum.xyz * scale / f32(samples);
}
