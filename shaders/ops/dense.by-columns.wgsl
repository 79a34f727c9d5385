// Vector times matrix for each sample, the sum running over the matrix's rows: partial_sums[chunk][sample][column] =
// sum over the rows r of the chunk of x[sample][r] * weights[r][column]. Chunks of rows are added by dense.sum.wgsl, in
// order, so that the result does not depend on how the matrix was cut into slices. An invocation computes 4 columns of
// SAMPLES samples, reading each weight once for all of them.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  rows: u32, // of the whole matrix
  columns_4: u32, // columns / 4, rounded up: rows of the matrix begin at multiples of 4 floats
  slice_first_row: u32,
  slice_rows: u32,
  chunk_rows: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial_sums: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
#if MANY
  let sample_blocks = (params.samples + 7u) / 8u;
#else
  let sample_blocks = params.samples;
#endif
  let column_groups = (params.columns_4 + 63u) / 64u;
  let column = (group % column_groups) * 64u + lane;
  let sample_block = group / column_groups % sample_blocks;
  let chunk = group / (column_groups * sample_blocks); // in this slice
  if (group >= params.grid_end || column >= params.columns_4) {
    return;
  }
  let first_row = chunk * params.chunk_rows;
  let last_row = min(first_row + params.chunk_rows, params.slice_rows);
  let out_chunk = params.slice_first_row / params.chunk_rows + chunk;
#if MANY
  let first = sample_block * 8u;
  let last = params.samples - 1u;
  // Samples beyond the last repeat it.
  let x0 = first * params.rows + params.slice_first_row;
  let x1 = min(first + 1u, last) * params.rows + params.slice_first_row;
  let x2 = min(first + 2u, last) * params.rows + params.slice_first_row;
  let x3 = min(first + 3u, last) * params.rows + params.slice_first_row;
  let x4 = min(first + 4u, last) * params.rows + params.slice_first_row;
  let x5 = min(first + 5u, last) * params.rows + params.slice_first_row;
  let x6 = min(first + 6u, last) * params.rows + params.slice_first_row;
  let x7 = min(first + 7u, last) * params.rows + params.slice_first_row;
  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
  for (var row = first_row; row < last_row; row++) {
    let w = weights[row * params.columns_4 + column];
    s0 = fma(w, vec4f(x[x0 + row]), s0);
    s1 = fma(w, vec4f(x[x1 + row]), s1);
    s2 = fma(w, vec4f(x[x2 + row]), s2);
    s3 = fma(w, vec4f(x[x3 + row]), s3);
    s4 = fma(w, vec4f(x[x4 + row]), s4);
    s5 = fma(w, vec4f(x[x5 + row]), s5);
    s6 = fma(w, vec4f(x[x6 + row]), s6);
    s7 = fma(w, vec4f(x[x7 + row]), s7);
  }
  let out = (out_chunk * params.samples + first) * params.columns_4 + column;
  let count = params.samples - first;
  partial_sums[out] = s0;
  if (count > 1u) { partial_sums[out + params.columns_4] = s1; }
  if (count > 2u) { partial_sums[out + 2u * params.columns_4] = s2; }
  if (count > 3u) { partial_sums[out + 3u * params.columns_4] = s3; }
  if (count > 4u) { partial_sums[out + 4u * params.columns_4] = s4; }
  if (count > 5u) { partial_sums[out + 5u * params.columns_4] = s5; }
  if (count > 6u) { partial_sums[out + 6u * params.columns_4] = s6; }
  if (count > 7u) { partial_sums[out + 7u * params.columns_4] = s7; }
#else
  let base = sample_block * params.rows + params.slice_first_row;
  var sum = vec4f();
  for (var row = first_row; row < last_row; row++) {
    sum = fma(weights[row * params.columns_4 + column], vec4f(x[base + row]), sum);
  }
  partial_sums[(out_chunk * params.samples + sample_block) * params.columns_4 + column] = sum;
#endif
}
