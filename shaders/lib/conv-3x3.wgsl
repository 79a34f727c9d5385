// What the direct 3 × 3 convolutions share: reading a patch of x with zeros around the picture, and the nine taps of one
// output. Each output is summed in the same order in every kernel (blocks of channels, channels, taps): all give the same
// bits.

// Input channels whose products are summed on their own before they join the total: rounding errors then grow with the
// square root of 72 + 64 terms instead of 4608, at the price of one addition in 72.
const SUM_CHANNELS = 8u;

fn load4(base: u32, at: vec4u, inside: vec4<bool>) -> vec4f {
  return select(vec4f(), vec4f(x[base + at.x], x[base + at.y], x[base + at.z], x[base + at.w]), inside);
}

fn load2(base: u32, at: vec2u, inside: vec2<bool>) -> vec2f {
  return select(vec2f(), vec2f(x[base + at.x], x[base + at.y]), inside);
}

// The nine taps of one output, for four channels: rows of the window from top to bottom.
fn window(
  sum: vec4f, top: vec3f, middle: vec3f, bottom: vec3f,
  w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f, w4: vec4f, w5: vec4f, w6: vec4f, w7: vec4f, w8: vec4f,
) -> vec4f {
  var s = fma(w0, vec4f(top.x), sum);
  s = fma(w1, vec4f(top.y), s);
  s = fma(w2, vec4f(top.z), s);
  s = fma(w3, vec4f(middle.x), s);
  s = fma(w4, vec4f(middle.y), s);
  s = fma(w5, vec4f(middle.z), s);
  s = fma(w6, vec4f(bottom.x), s);
  s = fma(w7, vec4f(bottom.y), s);
  return fma(w8, vec4f(bottom.z), s);
}
