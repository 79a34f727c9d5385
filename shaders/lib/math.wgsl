// ln, sin/cos and √ to about one unit in the last place. WGSL's own are allowed errors up to 2^-11, differ between drivers,
// and would make the same seed another noise: ln and sin/cos are made of +, * and fma alone, and the driver's √ is
// corrected.

const PI_OVER_2 = 1.57079632679489662;

// Natural logarithm of a positive, normal x (polynomial of Cephes' logf).
fn ln_accurate(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var exponent = f32(i32(bits >> 23u) - 126);
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u); // in [0.5, 1)
  if (m < 0.70710678118654752) {
    exponent -= 1.0;
    m = m + m;
  }
  let f = m - 1.0;
  let f2 = f * f;
  var p = 7.0376836292e-2;
  p = fma(p, f, -1.1514610310e-1);
  p = fma(p, f, 1.1676998740e-1);
  p = fma(p, f, -1.2420140846e-1);
  p = fma(p, f, 1.4249322787e-1);
  p = fma(p, f, -1.6668057665e-1);
  p = fma(p, f, 2.0000714765e-1);
  p = fma(p, f, -2.4999993993e-1);
  p = fma(p, f, 3.3333331174e-1);
  var y = p * f * f2;
  y = fma(exponent, -2.12194440e-4, y);
  y = fma(-0.5, f2, y);
  return fma(exponent, 0.693359375, f + y);
}

// (cos 2πu, sin 2πu) for u in [0, 1).
fn cos_sin_turns(u: f32) -> vec2f {
  let quarters = 4.0 * u; // exact
  let nearest = floor(quarters + 0.5);
  let r = (quarters - nearest) * PI_OVER_2; // the difference is exact and at most 1/2
  let z = r * r;
  var s = fma(-1.9515295891e-4, z, 8.3321608736e-3);
  s = fma(s, z, -1.6666654611e-1);
  s = fma(s * z, r, r);
  var c = fma(2.443315711809948e-5, z, -1.388731625493765e-3);
  c = fma(c, z, 4.166664568298827e-2);
  c = fma(c * z, z, fma(-0.5, z, 1.0));
  switch (u32(nearest) & 3u) {
    case 0u: { return vec2f(c, s); }
    case 1u: { return vec2f(-s, c); }
    case 2u: { return vec2f(-c, -s); }
    default: { return vec2f(s, -c); }
  }
}

// Square root with one Newton step behind the driver's, which may be off by a few units in the last place.
fn sqrt_accurate(x: f32) -> f32 {
  let s = sqrt(x);
  return select(0.0, fma(fma(-s, s, x), 0.5 / s, s), s > 0.0);
}
