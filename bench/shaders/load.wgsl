// As many loads from a storage buffer as can be, eight in flight. Where all workgroups go through the same few values, they
// come from the nearest cache; where each has its own part of a large buffer, from memory.
struct Params {
  grid_first: u32,
  grid_end: u32,
  rounds: u32,
  mask: u32, // values in the buffer, a power of two, minus one
  group_stride: u32, // values from where one workgroup begins to where the next does
}
#if VECTORS
alias Value = vec4f;
#else
alias Value = f32;
#endif
@group(0) @binding(0) var<storage, read> data: array<Value>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
  var a0 = Value();
  var a1 = Value();
  var a2 = Value();
  var a3 = Value();
  for (var i = 0u; i < params.rounds; i++) {
    let at = group * params.group_stride + i * 512u + lane;
    a0 += data[at & params.mask];
    a1 += data[(at + 64u) & params.mask];
    a2 += data[(at + 128u) & params.mask];
    a3 += data[(at + 192u) & params.mask];
    a0 += data[(at + 256u) & params.mask];
    a1 += data[(at + 320u) & params.mask];
    a2 += data[(at + 384u) & params.mask];
    a3 += data[(at + 448u) & params.mask];
  }
  let sum = a0 + a1 + a2 + a3;
#if VECTORS
  result[group * 64u + lane] = sum.x + sum.y + sum.z + sum.w;
#else
  result[group * 64u + lane] = sum;
#endif
}
