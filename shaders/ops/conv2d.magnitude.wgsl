// The greatest |x| of each part of a sample, as the bits of a float32: magnitudes[sample][part]. Bits of numbers without
// their sign are in the numbers' order, with ∞ and NaN above all. A convolution in float16 scales its input by them. One
// workgroup a part.
struct Params {
  grid_first: u32,
  grid_end: u32,
  elements: u32, // of a sample
  parts: u32,
}
@group(0) @binding(0) var<storage, read> x: array<u32>; // the bits of float32 values
@group(0) @binding(1) var<storage, read_write> magnitudes: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> greatest: atomic<u32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
  let each = (params.elements + params.parts - 1u) / params.parts;
  let begin = group % params.parts * each;
  let end = min(begin + each, params.elements);
  let sample_at = group / params.parts * params.elements;
  var own = 0u;
  for (var i = begin + lane; i < end; i += 256u) {
    own = max(own, x[sample_at + i] & 0x7fffffffu);
  }
  atomicMax(&greatest, own);
  workgroupBarrier();
  if (lane == 0u) {
    magnitudes[group] = atomicLoad(&greatest);
  }
}
