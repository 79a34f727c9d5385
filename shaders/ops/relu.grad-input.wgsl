// Gradient of ReLU with respect to its input, in place: kept where the mask's bit is set, zero elsewhere.
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
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.samples * params.elements) {
    return;
  }
  let words = (params.elements + 31u) / 32u;
  let element = at % params.elements;
  let bits = mask[(at / params.elements) * words + element / 32u];
  if (((bits >> (element % 32u)) & 1u) == 0u) {
    grad[at] = 0.0;
  }
}
