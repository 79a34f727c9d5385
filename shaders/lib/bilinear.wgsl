// Position of an output cell between two input cells with half-pixel centres (align_corners = false), edges clamped.
struct Between {
  low: u32,
  high: u32,
  share: f32, // of `high`
}

// `position` in input cells, where the centre of cell i is at i + 0.5.
fn between(position: f32, size: u32) -> Between {
  let at = clamp(position - 0.5, 0.0, f32(size - 1u));
  let low = u32(at);
  return Between(low, min(low + 1u, size - 1u), at - f32(low));
}

// Between two values: equal ones give themselves exactly, as mix() need not.
fn between_values(low: f32, high: f32, share: f32) -> f32 {
  return fma(share, high - low, low);
}
