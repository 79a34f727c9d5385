// Scaling by powers of two, which is exact.

// Exponent field of a power of two above |x|, kept where the power and its inverse are normal numbers.
fn scale_exponent(x: f32) -> u32 {
  return clamp(((bitcast<u32>(x) >> 23u) & 0xffu) + 1u, 2u, 252u);
}

fn power_of_two(exponent: u32) -> f32 {
  return bitcast<f32>(exponent << 23u);
}
