// ReLU: y = max(x, 0), and one bit per element that says where x > 0. ReLU'(0) = 0. An invocation writes one mask word:
// 32 neighbouring elements of a sample. With RECTIFY it also writes y; without, x is known to be rectified already.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  elements: u32, // per sample
}
#if RECTIFY
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
#endif
@group(0) @binding(1) var<storage, read_write> mask: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let words = (params.elements + 31u) / 32u;
  let word = group * 64u + lane;
  if (group >= params.grid_end || word >= params.samples * words) {
    return;
  }
  let first = (word % words) * 32u;
  let base = (word / words) * params.elements + first;
  let count = min(32u, params.elements - first);
  var bits = 0u;
  for (var i = 0u; i < count; i++) {
    let value = x[base + i];
    bits |= select(0u, 1u << i, value > 0.0);
#if RECTIFY
    x[base + i] = max(value, 0.0);
#endif
  }
  mask[word] = bits;
}
