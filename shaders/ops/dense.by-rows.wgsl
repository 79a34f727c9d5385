// Matrix times vector for each sample: y[sample][r] = sum over the columns c of weights[r][c] * x[sample][c], for the
// rows of one slice of the matrix. An invocation computes two rows of SAMPLES samples (4 with MANY, else 1).
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  rows: u32, // of the whole matrix
  columns: u32,
  columns_4: u32, // columns / 4, rounded up: rows of the matrix begin at multiples of 4 floats
  slice_first_row: u32,
  slice_rows: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif
#if GATE
@group(0) @binding(4) var<storage, read> gate: array<f32>; // like y
#endif
@group(0) @binding(5) var<uniform> params: Params;

// Four neighbouring elements of x from `at`; those beyond the last column read as zero.
fn load4(base: u32, at: u32) -> vec4f {
  let last = base + params.columns - 1u;
  let i = base + at;
  let inside = vec4u(at) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.columns);
  return select(vec4f(), vec4f(x[i], x[min(i + 1u, last)], x[min(i + 2u, last)], x[min(i + 3u, last)]), inside);
}

fn store(sample: u32, slice_row: u32, sums: vec4f) {
  if (sample >= params.samples || slice_row >= params.slice_rows) {
    return;
  }
  let row = params.slice_first_row + slice_row;
  var value = (sums.x + sums.y) + (sums.z + sums.w);
#if BIAS
  value += bias[row];
#endif
#if RELU
  value = rectify(value);
#endif
  let at = sample * params.rows + row;
#if GATE
  value = select(0.0, value, gate[at] > 0.0);
#endif
  y[at] = value;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
#if MANY
  let sample_blocks = (params.samples + 3u) / 4u;
#else
  let sample_blocks = params.samples;
#endif
  let row_groups = (params.slice_rows + 127u) / 128u;
  let row_a = ((group % row_groups) * 64u + lane) * 2u;
  let sample_block = group / row_groups;
  if (group >= params.grid_end || row_a >= params.slice_rows) {
    return;
  }
  let row_b = row_a + 1u;
  let at_a = row_a * params.columns_4;
  let at_b = min(row_b, params.slice_rows - 1u) * params.columns_4;
#if MANY
  let first = sample_block * 4u;
  let last = params.samples - 1u;
  let x0 = first * params.columns;
  let x1 = min(first + 1u, last) * params.columns;
  let x2 = min(first + 2u, last) * params.columns;
  let x3 = min(first + 3u, last) * params.columns;
  var a0 = vec4f();
  var a1 = vec4f();
  var a2 = vec4f();
  var a3 = vec4f();
  var b0 = vec4f();
  var b1 = vec4f();
  var b2 = vec4f();
  var b3 = vec4f();
  for (var c = 0u; c < params.columns_4; c++) {
    let wa = weights[at_a + c];
    let wb = weights[at_b + c];
    let v0 = load4(x0, c * 4u);
    let v1 = load4(x1, c * 4u);
    let v2 = load4(x2, c * 4u);
    let v3 = load4(x3, c * 4u);
    a0 = fma(wa, v0, a0);
    a1 = fma(wa, v1, a1);
    a2 = fma(wa, v2, a2);
    a3 = fma(wa, v3, a3);
    b0 = fma(wb, v0, b0);
    b1 = fma(wb, v1, b1);
    b2 = fma(wb, v2, b2);
    b3 = fma(wb, v3, b3);
  }
  store(first, row_a, a0);
  store(first, row_b, b0);
  store(first + 1u, row_a, a1);
  store(first + 1u, row_b, b1);
  store(first + 2u, row_a, a2);
  store(first + 2u, row_b, b2);
  store(first + 3u, row_a, a3);
  store(first + 3u, row_b, b3);
#else
  let base = sample_block * params.columns;
  var a = vec4f();
  var b = vec4f();
  for (var c = 0u; c < params.columns_4; c++) {
    let v = load4(base, c * 4u);
    a = fma(weights[at_a + c], v, a);
    b = fma(weights[at_b + c], v, b);
  }
  store(sample_block, row_a, a);
  store(sample_block, row_b, b);
#endif
}
