#if SUBGROUPS
enable subgroups;
#endif
// Rows times matrix, a part of each sum at a time: partial_sums[chunk][sample][output] = the sum over the inputs i of the
// chunk of x[sample][i] * w(i, output). dense.sum.wgsl adds the chunks, in order, so that the result does not depend on how
// the matrix was cut into slices.
//
// The matrix is made of blocks of 4 × 4, so that a lane that walks along it in either direction uses all it loads. The
// matrix's rows are inputs, or outputs with ROWS_ARE_OUTPUTS; the backward pass swaps the two words and needs no other
// kernel. An invocation computes 4 outputs of one sample, or of 2 (TWO), 4 (FOUR, with TWO)
// or 8 (EIGHT, with both), for which it reads each weight once. Every sum is
// taken in the order of its inputs in every variant: all give the same bits.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  inputs: u32,
  // From here on in blocks of four. The slice of the matrix covers these inputs and outputs:
  first_input: u32,
  end_input: u32,
  first_output: u32,
  end_output: u32,
  outputs: u32, // of the whole matrix
  chunk: u32, // inputs of a partial sum
  input_stride: u32, // from an input's block to the next input's
  output_stride: u32,
#if UINT8
  scale: f32,
  min: f32,
  no_bits: u32, // 0
#endif
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
#if UINT8
@group(0) @binding(1) var<storage, read> weights: array<vec4u>; // a block
#elif FLOAT16
@group(0) @binding(1) var<storage, read> weights: array<vec4u>; // two rows of a block
#else
@group(0) @binding(1) var<storage, read> weights: array<vec4f>; // a row of a block
#endif
@group(0) @binding(2) var<storage, read_write> partial_sums: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

#if EIGHT
const SAMPLES = 8u;
#elif FOUR
const SAMPLES = 4u;
#elif TWO
const SAMPLES = 2u;
#else
const SAMPLES = 1u;
#endif

#if UINT8
// q · scale + min with the rounding of the weights file's own decoder, once behind the product and once behind the sum. A
// compiler may fuse the two, and some do; it cannot where the product passes as bits through something that it does not know.
fn dequantise(row: u32) -> vec4f {
  let q = vec4f((vec4u(row) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(0xffu));
  let product = bitcast<vec4u>(q * params.scale) | vec4u(params.no_bits);
  return bitcast<vec4f>(product) + vec4f(params.min);
}
#elif FLOAT16
// unpack2x16float may flush the smallest numbers to zero; this is exact for every finite number. Those below 2^-14 have no
// leading one: it is put in and taken off again.
fn widen(row: vec2u) -> vec4f {
  let halves = vec4u(row.x & 0xffffu, row.x >> 16u, row.y & 0xffffu, row.y >> 16u);
  let magnitude = (halves & vec4u(0x7fffu)) << vec4u(13u);
  let small = bitcast<vec4u>(bitcast<vec4f>(magnitude + vec4u(0x38800000u)) - vec4f(0x1p-14));
  let widened = select(magnitude + vec4u(0x38000000u), small, magnitude < vec4u(0x00800000u));
  return bitcast<vec4f>(widened | ((halves & vec4u(0x8000u)) << vec4u(16u)));
}
#endif

// The weights of four inputs (columns of the result) for four outputs (its rows).
fn load_block(at: u32) -> mat4x4f {
#if UINT8
  let rows = weights[at];
  let block = mat4x4f(dequantise(rows.x), dequantise(rows.y), dequantise(rows.z), dequantise(rows.w));
#elif FLOAT16
  let a = weights[2u * at];
  let b = weights[2u * at + 1u];
  let block = mat4x4f(widen(a.xy), widen(a.zw), widen(b.xy), widen(b.zw));
#else
  let block = mat4x4f(weights[4u * at], weights[4u * at + 1u], weights[4u * at + 2u], weights[4u * at + 3u]);
#endif
#if ROWS_ARE_OUTPUTS
  return transpose(block);
#else
  return block;
#endif
}

#if SUBGROUPS
// Every load feeds all lanes: each of four has one of the block's inputs.
fn load_inputs(row: u32, input: u32, sub_lane: u32) -> f32 {
  let i = 4u * input + sub_lane % 4u;
  return select(0.0, x[row + i], i < params.inputs);
}

fn add(sum: vec4f, block: mat4x4f, inputs: f32) -> vec4f {
  var result = fma(block[0], vec4f(subgroupBroadcast(inputs, 0u)), sum);
  result = fma(block[1], vec4f(subgroupBroadcast(inputs, 1u)), result);
  result = fma(block[2], vec4f(subgroupBroadcast(inputs, 2u)), result);
  return fma(block[3], vec4f(subgroupBroadcast(inputs, 3u)), result);
}
#else
fn load_inputs(row: u32, input: u32, sub_lane: u32) -> vec4f {
  let at = row + 4u * input;
  let inside = vec4u(4u * input) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.inputs);
  return select(vec4f(), vec4f(x[at], x[at + 1u], x[at + 2u], x[at + 3u]), inside);
}

fn add(sum: vec4f, block: mat4x4f, inputs: vec4f) -> vec4f {
  var result = fma(block[0], vec4f(inputs.x), sum);
  result = fma(block[1], vec4f(inputs.y), result);
  result = fma(block[2], vec4f(inputs.z), result);
  return fma(block[3], vec4f(inputs.w), result);
}
#endif

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
#if SUBGROUPS
  @builtin(subgroup_invocation_id) sub_lane: u32,
#endif
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  if (group >= params.grid_end) {
    return;
  }
#if !SUBGROUPS
  let sub_lane = 0u;
#endif
  let sample_blocks = (params.samples + SAMPLES - 1u) / SAMPLES;
  // Workgroups of the same weights follow each other, while the weights are in the cache.
  let sample_block = group % sample_blocks;
  let slice_outputs = params.end_output - params.first_output;
  let output_groups = (slice_outputs + 63u) / 64u;
  let own_output = (group / sample_blocks % output_groups) * 64u + lane; // in the slice
  // Lanes beyond the last output repeat it and store nothing: broadcasts need every lane.
  let output = min(own_output, slice_outputs - 1u);
  let slice_chunk = group / (sample_blocks * output_groups);
  let first = params.first_input + slice_chunk * params.chunk;
  let end = min(first + params.chunk, params.end_input);
  let base = output * params.output_stride;
  let chunk = params.first_input / params.chunk + slice_chunk;
  let first_sample = sample_block * SAMPLES;
  let last = params.samples - 1u;
  // Samples beyond the last repeat it.
  let x0 = first_sample * params.inputs;
#if TWO
  let x1 = min(first_sample + 1u, last) * params.inputs;
#endif
#if FOUR
  let x2 = min(first_sample + 2u, last) * params.inputs;
  let x3 = min(first_sample + 3u, last) * params.inputs;
#endif
#if EIGHT
  let x4 = min(first_sample + 4u, last) * params.inputs;
  let x5 = min(first_sample + 5u, last) * params.inputs;
  let x6 = min(first_sample + 6u, last) * params.inputs;
  let x7 = min(first_sample + 7u, last) * params.inputs;
#endif
  var s0 = vec4f();
#if TWO
  var s1 = vec4f();
#endif
#if FOUR
  var s2 = vec4f();
  var s3 = vec4f();
#endif
#if EIGHT
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
#endif
  for (var input = first; input < end; input++) {
    let l0 = load_inputs(x0, input, sub_lane);
#if TWO
    let l1 = load_inputs(x1, input, sub_lane);
#endif
#if FOUR
    let l2 = load_inputs(x2, input, sub_lane);
    let l3 = load_inputs(x3, input, sub_lane);
#endif
#if EIGHT
    let l4 = load_inputs(x4, input, sub_lane);
    let l5 = load_inputs(x5, input, sub_lane);
    let l6 = load_inputs(x6, input, sub_lane);
    let l7 = load_inputs(x7, input, sub_lane);
#endif
    let block = load_block(base + (input - params.first_input) * params.input_stride);
    s0 = add(s0, block, l0);
#if TWO
    s1 = add(s1, block, l1);
#endif
#if FOUR
    s2 = add(s2, block, l2);
    s3 = add(s3, block, l3);
#endif
#if EIGHT
    s4 = add(s4, block, l4);
    s5 = add(s5, block, l5);
    s6 = add(s6, block, l6);
    s7 = add(s7, block, l7);
#endif
  }
  if (own_output >= slice_outputs) {
    return;
  }
  let stride = params.outputs;
  let at = (chunk * params.samples + first_sample) * stride + params.first_output + output;
  let count = params.samples - first_sample;
  partial_sums[at] = s0;
#if TWO
  if (count > 1u) { partial_sums[at + stride] = s1; }
#endif
#if FOUR
  if (count > 2u) { partial_sums[at + 2u * stride] = s2; }
  if (count > 3u) { partial_sums[at + 3u * stride] = s3; }
#endif
#if EIGHT
  if (count > 4u) { partial_sums[at + 4u * stride] = s4; }
  if (count > 5u) { partial_sums[at + 5u * stride] = s5; }
  if (count > 6u) { partial_sums[at + 6u * stride] = s6; }
  if (count > 7u) { partial_sums[at + 7u * stride] = s7; }
#endif
}
