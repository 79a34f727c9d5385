// One axis of an antialiased bilinear resize: a triangle filter whose support grows with the scale when shrinking, as in
// Pillow and in torchvision with antialias. At scale 1 it is the identity.
struct Taps {
  first: u32,
  end: u32,
  center: f32,
  stretch: f32,
}

// Taps of output cell `out` (may lie outside the resized axis only where the caller skips it); `scale` = input / output.
fn resize_taps(out: f32, scale: f32, size: u32) -> Taps {
  let stretch = max(scale, 1.0);
  let center = (out + 0.5) * scale;
  let first = u32(max(center - stretch + 0.5, 0.0));
  let end = min(u32(max(center + stretch + 0.5, 0.0)), size);
  return Taps(min(first, size - 1u), max(end, min(first, size - 1u) + 1u), center, stretch);
}

fn resize_weight(taps: Taps, i: u32) -> f32 {
  return max(0.0, 1.0 - abs((f32(i) - taps.center + 0.5) / taps.stretch));
}
