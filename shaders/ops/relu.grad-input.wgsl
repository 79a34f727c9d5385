// Gradient of ReLU with respect to its input, in place: kept where the mask's bit is set, zero elsewhere. An invocation
// handles one mask word, 32 neighbouring elements of a sample, and touches only those that change.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  elements: u32, // per sample
}
@group(0) @binding(0) var<storage, read> mask: array<u32>;
@group(0) @binding(1) var<storage, read_write> grad: array<f32>;
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
  let bits = mask[word];
  for (var i = 0u; i < count; i++) {
    if (((bits >> i) & 1u) == 0u) {
      grad[base + i] = 0.0;
    }
  }
}
