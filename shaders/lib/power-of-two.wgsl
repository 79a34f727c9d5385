// Scaling by powers of two, which is exact.

// Exponent field of a power of two above |x|, kept where the power and its inverse are normal numbers.
fn scale_exponent(x: f32) -> u32 {
  return clamp(((bitcast<u32>(x) >> 23u) & 0xffu) + 1u, 2u, 252u);
}

fn power_of_two(exponent: u32) -> f32 {
  return bitcast<f32>(exponent << 23u);
}

// 1 / x of a power of two that scale_exponent() gave; a large number for 0.
fn inverse_power_of_two(x: f32) -> f32 {
  return power_of_two(254u - (bitcast<u32>(x) >> 23u));
}
