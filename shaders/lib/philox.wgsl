// Philox4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

// (low, high) words of the 64-bit product.
fn multiply_wide(a: u32, b: u32) -> vec2u {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);
  let carry = a0 * b1 + (middle & 0xffffu);
  return vec2u(a * b, a1 * b1 + (middle >> 16u) + (carry >> 16u));
}

fn philox4x32_10(counter: vec4u, key_in: vec2u) -> vec4u {
  var c = counter;
  var key = key_in;
  for (var round = 0u; round < 10u; round++) {
    let p = multiply_wide(0xD2511F53u, c.x);
    let q = multiply_wide(0xCD9E8D57u, c.z);
    c = vec4u(q.y ^ c.y ^ key.x, q.x, p.y ^ c.w ^ key.y, p.x);
    key += vec2u(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}
