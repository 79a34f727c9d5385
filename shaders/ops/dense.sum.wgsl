// Adds the partial sums of dense.wgsl over the chunks, in order: y[sample][output].
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  outputs: u32,
  outputs_4: u32, // outputs / 4, rounded up
  chunks: u32,
#if GATE
  gates: u32,
#endif
}
@group(0) @binding(0) var<storage, read> partial_sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(2) var<storage, read> bias: array<f32>;
#endif
#if GATE
@group(0) @binding(3) var<storage, read> gate: array<f32>; // `gates` rows like those of y, for as many samples each
#endif
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.samples * params.outputs) {
    return;
  }
  let output = at % params.outputs;
  let sample = at / params.outputs;
  var sum = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    sum += partial_sums[(chunk * params.samples + sample) * params.outputs_4 * 4u + output];
  }
#if BIAS
  sum += bias[output];
#endif
#if RELU
  sum = rectify(sum);
#endif
#if GATE
  sum = select(0.0, sum, gate[sample % params.gates * params.outputs + output] > 0.0);
#endif
  y[at] = sum;
}
