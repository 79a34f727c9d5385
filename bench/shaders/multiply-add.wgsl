// As many multiply-adds as can be: eight independent chains, so that none waits for the one before, unrolled eight times.
struct Params {
  grid_first: u32,
  grid_end: u32,
  rounds: u32,
  factor: f32,
  addend: f32,
}
#if VECTORS
alias Value = vec4f;
#else
alias Value = f32;
#endif
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

fn step(a: Value) -> Value {
#if FUSED
  return fma(a, Value(params.factor), Value(params.addend));
#else
  return a * params.factor + params.addend;
#endif
}

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
  let start = Value(f32(lane));
  var a0 = start;
  var a1 = start + 1.0;
  var a2 = start + 2.0;
  var a3 = start + 3.0;
  var a4 = start + 4.0;
  var a5 = start + 5.0;
  var a6 = start + 6.0;
  var a7 = start + 7.0;
  for (var i = 0u; i < params.rounds; i++) {
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
    a0 = step(a0);
    a1 = step(a1);
    a2 = step(a2);
    a3 = step(a3);
    a4 = step(a4);
    a5 = step(a5);
    a6 = step(a6);
    a7 = step(a7);
  }
  let sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
#if VECTORS
  result[group * 64u + lane] = sum.x + sum.y + sum.z + sum.w;
#else
  result[group * 64u + lane] = sum;
#endif
}
