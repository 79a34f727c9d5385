// A convolution's packed weights as they are stored, four output channels at a time: float32, or float16 (FLOAT16) in two
// pairs. These are widened exactly, but that WGSL lets an adapter take those below 2^-14 for zero: unlike dense.wgsl, which
// reads each weight once, the loops of convolutions have no time for more.
#if FLOAT16
alias StoredWeights = vec2u;

fn widen(pairs: StoredWeights) -> vec4f {
  return vec4f(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}
#else
alias StoredWeights = vec4f;

fn widen(weights: StoredWeights) -> vec4f {
  return weights;
}
#endif
