// A convolution's packed weights as they are stored, four output channels at a time: float32, or float16 (FLOAT16) in two
// pairs, which is widened exactly.
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
