// What each value of the model's input adds to the score, from the mean gradient D1 = sums.x / n there, and one value for
// each cell of the input. An invocation makes one cell.
// sums [channels, cells] are those of moments.wgsl; attribution [channels, cells]; map [cells].
//   INPUT: the gradient times x - baseline; x [channels, cells], baseline [channels]
//   HEAT: the gradient times heat [cells]
//   LARGEST: the cell's value is the greatest |attribution| of its channels; otherwise the positive part of their sum.
struct Params {
  grid_first: u32,
  grid_end: u32,
  channels: u32,
  cells: u32,
  samples: u32, // n
}
@group(0) @binding(0) var<storage, read> sums: array<vec4f>;
#if INPUT
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> baseline: array<f32>;
#endif
#if HEAT
@group(0) @binding(1) var<storage, read> heat: array<f32>;
#endif
@group(0) @binding(3) var<storage, read_write> attribution: array<f32>;
@group(0) @binding(4) var<storage, read_write> map: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let cell = group * 64u + lane;
  if (group >= params.grid_end || cell >= params.cells) {
    return;
  }
  var reduced = 0.0;
  for (var channel = 0u; channel < params.channels; channel++) {
    let at = channel * params.cells + cell;
    var value = sums[at].x / f32(params.samples);
#if INPUT
    value *= x[at] - baseline[channel];
#endif
#if HEAT
    value *= heat[cell];
#endif
    attribution[at] = value;
#if LARGEST
    reduced = max(reduced, abs(value));
#else
    reduced += value;
#endif
  }
  map[cell] = max(reduced, 0.0);
}
