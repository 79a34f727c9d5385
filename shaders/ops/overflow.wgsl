// Sets the flag where a value has left float32's range: ∞ and NaN have all bits of the exponent set.
struct Params {
  grid_first: u32,
  grid_end: u32,
  elements: u32,
}
@group(0) @binding(0) var<storage, read> x: array<u32>; // the bits of float32 values
@group(0) @binding(1) var<storage, read_write> flag: atomic<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.elements) {
    return;
  }
  if ((x[at] & 0x7f800000u) == 0x7f800000u) {
    atomicStore(&flag, 1u);
  }
}
