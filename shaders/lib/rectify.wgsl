// ReLU that lets overflow be seen: what is not finite becomes +∞. max() makes 0 of the NaN in ∞ - ∞, and activations that
// have left float32's range would end in scores that look right. +∞ cannot get lost: what the next layer makes of it is
// not finite either, and so on to the scores, where overflow.wgsl looks. The exponent's bits are tested because compilers
// may assume that no comparison meets NaN.
fn rectify4(v: vec4f) -> vec4f {
  let exponents = bitcast<vec4u>(v) & vec4u(0x7f800000u);
  return select(max(v, vec4f()), bitcast<vec4f>(exponents), exponents == vec4u(0x7f800000u));
}

fn rectify(v: f32) -> f32 {
  return rectify4(vec4f(v)).x;
}
