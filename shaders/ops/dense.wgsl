#if SUBGROUPS
enable subgroups;
#endif
// Rows times matrix, a part of each sum at a time: partial_sums[chunk][sample][output] = the sum over the inputs i of the
// chunk of x[sample][i] * w(i, output). dense.sum.wgsl adds the chunks, in order, so that the result does not depend on how
// the matrix was cut into slices.
//
// The matrix is made of blocks of 4 × 4, so that a lane that walks along it in either direction uses all it loads. The
// matrix's rows are inputs, or outputs with ROWS_ARE_OUTPUTS; the backward pass swaps the two words and needs no other
// kernel. An invocation computes 4 outputs, or twice 4 with TWO_BLOCKS, of one sample, or of 2, 4, 8, … 24 with SAMPLES_2,
// SAMPLES_4, SAMPLES_8 and so on, each with all before it; for all of them it reads each weight once.
//   SUBGROUPS: the lanes of a subgroup (4 with SUBGROUP_4, else 8 or more) load different samples' inputs and broadcast them.
//   WHOLE_BLOCKS: the inputs are a multiple of 4, and are loaded in blocks; not with SUBGROUPS and a single sample.
// Every sum is taken in the order of its inputs in every variant: all give the same bits.
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
#if WHOLE_BLOCKS
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
#else
@group(0) @binding(0) var<storage, read> x: array<f32>;
#endif
#if UINT8
@group(0) @binding(1) var<storage, read> weights: array<vec4u>; // a block
#elif FLOAT16
@group(0) @binding(1) var<storage, read> weights: array<vec4u>; // two rows of a block
#else
@group(0) @binding(1) var<storage, read> weights: array<mat4x4f>; // a block
#endif
@group(0) @binding(2) var<storage, read_write> partial_sums: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

#if SAMPLES_24
const SAMPLES = 24u;
#elif SAMPLES_20
const SAMPLES = 20u;
#elif SAMPLES_16
const SAMPLES = 16u;
#elif SAMPLES_12
const SAMPLES = 12u;
#elif SAMPLES_8
const SAMPLES = 8u;
#elif SAMPLES_4
const SAMPLES = 4u;
#elif SAMPLES_2
const SAMPLES = 2u;
#else
const SAMPLES = 1u;
#endif
#if TWO_BLOCKS
const GROUP_BLOCKS = 128u; // of outputs, for a workgroup
#else
const GROUP_BLOCKS = 64u;
#endif

// A column for each of four samples, of two or of the one.
#if SAMPLES_4
alias Tile = mat4x4f;
#elif SAMPLES_2
alias Tile = mat2x4f;
#else
alias Tile = vec4f;
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
  let block = weights[at];
#endif
#if ROWS_ARE_OUTPUTS
  return transpose(block);
#else
  return block;
#endif
}

// A block of inputs of one sample; what lies beyond the last input counts as zero.
fn load_inputs(sample: u32, input: u32) -> vec4f {
  // Samples beyond the last repeat it.
  let known = min(sample, params.samples - 1u);
#if WHOLE_BLOCKS
  return x[known * (params.inputs / 4u) + input];
#else
  let at = known * params.inputs + 4u * input;
  let inside = vec4u(4u * input) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.inputs);
  return select(vec4f(), vec4f(x[at], x[at + 1u], x[at + 2u], x[at + 3u]), inside);
#endif
}

// load_eight() loads a block of inputs of up to eight samples, lower() gives those of the first four, upper() of the others.
#if SUBGROUPS
#if !SAMPLES_2
// Of a single sample: four lanes have an input each.
alias Eight = f32;

fn load_eight(sample: u32, input: u32, sub_lane: u32) -> Eight {
  let i = 4u * input + sub_lane % 4u;
  return select(0.0, x[sample * params.inputs + i], i < params.inputs);
}

fn lower(loaded: Eight) -> Tile {
  return vec4f(
    subgroupBroadcast(loaded, 0u),
    subgroupBroadcast(loaded, 1u),
    subgroupBroadcast(loaded, 2u),
    subgroupBroadcast(loaded, 3u),
  );
}
#else
fn share(loaded: vec4f) -> Tile {
#if SAMPLES_4
  return Tile(
    subgroupBroadcast(loaded, 0u),
    subgroupBroadcast(loaded, 1u),
    subgroupBroadcast(loaded, 2u),
    subgroupBroadcast(loaded, 3u),
  );
#else
  return Tile(subgroupBroadcast(loaded, 0u), subgroupBroadcast(loaded, 1u));
#endif
}

#if SUBGROUP_4
alias Eight = mat2x4f;

fn load_eight(sample: u32, input: u32, sub_lane: u32) -> Eight {
  return Eight(load_inputs(sample + sub_lane, input), load_inputs(sample + 4u + sub_lane, input));
}

fn lower(loaded: Eight) -> Tile {
  return share(loaded[0]);
}

#if SAMPLES_8
fn upper(loaded: Eight) -> Tile {
  return share(loaded[1]);
}
#endif
#else
alias Eight = vec4f;

fn load_eight(sample: u32, input: u32, sub_lane: u32) -> Eight {
  return load_inputs(sample + sub_lane % 8u, input);
}

fn lower(loaded: Eight) -> Tile {
  return share(loaded);
}

#if SAMPLES_8
fn upper(loaded: Eight) -> Tile {
  return Tile(
    subgroupBroadcast(loaded, 4u),
    subgroupBroadcast(loaded, 5u),
    subgroupBroadcast(loaded, 6u),
    subgroupBroadcast(loaded, 7u),
  );
}
#endif
#endif
#endif
#else
struct Eight {
  lower: Tile,
#if SAMPLES_8
  upper: Tile,
#endif
}

fn load_tile(sample: u32, input: u32) -> Tile {
#if SAMPLES_4
  return Tile(
    load_inputs(sample, input),
    load_inputs(sample + 1u, input),
    load_inputs(sample + 2u, input),
    load_inputs(sample + 3u, input),
  );
#elif SAMPLES_2
  return Tile(load_inputs(sample, input), load_inputs(sample + 1u, input));
#else
  return load_inputs(sample, input);
#endif
}

fn load_eight(sample: u32, input: u32, sub_lane: u32) -> Eight {
#if SAMPLES_8
  return Eight(load_tile(sample, input), load_tile(sample + 4u, input));
#else
  return Eight(load_tile(sample, input));
#endif
}

fn lower(loaded: Eight) -> Tile {
  return loaded.lower;
}

#if SAMPLES_8
fn upper(loaded: Eight) -> Tile {
  return loaded.upper;
}
#endif
#endif

fn add(sum: vec4f, block: mat4x4f, inputs: vec4f) -> vec4f {
  var result = fma(block[0], vec4f(inputs.x), sum);
  result = fma(block[1], vec4f(inputs.y), result);
  result = fma(block[2], vec4f(inputs.z), result);
  return fma(block[3], vec4f(inputs.w), result);
}

fn add_tile(sums: Tile, block: mat4x4f, inputs: Tile) -> Tile {
#if SAMPLES_4
  return Tile(
    add(sums[0], block, inputs[0]),
    add(sums[1], block, inputs[1]),
    add(sums[2], block, inputs[2]),
    add(sums[3], block, inputs[3]),
  );
#elif SAMPLES_2
  return Tile(add(sums[0], block, inputs[0]), add(sums[1], block, inputs[1]));
#else
  return add(sums, block, inputs);
#endif
}

// The sums of the samples from `sample` on.
fn store(chunk: u32, sample: u32, output: u32, sums: Tile) {
  let stride = params.outputs;
  let at = (chunk * params.samples + sample) * stride + params.first_output + output;
#if SAMPLES_2
  if (sample < params.samples) { partial_sums[at] = sums[0]; }
  if (sample + 1u < params.samples) { partial_sums[at + stride] = sums[1]; }
#if SAMPLES_4
  if (sample + 2u < params.samples) { partial_sums[at + 2u * stride] = sums[2]; }
  if (sample + 3u < params.samples) { partial_sums[at + 3u * stride] = sums[3]; }
#endif
#else
  partial_sums[at] = sums;
#endif
}

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
  let sample = group % sample_blocks * SAMPLES;
  let slice_outputs = params.end_output - params.first_output;
  let output_groups = (slice_outputs + GROUP_BLOCKS - 1u) / GROUP_BLOCKS;
  let output = (group / sample_blocks % output_groups) * GROUP_BLOCKS + lane; // in the slice
  let slice_chunk = group / (sample_blocks * output_groups);
  let first = params.first_input + slice_chunk * params.chunk;
  let end = min(first + params.chunk, params.end_input);
  let chunk = params.first_input / params.chunk + slice_chunk;
  let first_block = slice_chunk * params.chunk * params.input_stride;
  // Lanes beyond the last output repeat it and store nothing: broadcasts need every lane.
  var at = first_block + min(output, slice_outputs - 1u) * params.output_stride;
#if TWO_BLOCKS
  var next_at = first_block + min(output + 64u, slice_outputs - 1u) * params.output_stride;
#endif
  var sums0 = Tile();
#if TWO_BLOCKS
  var next_sums0 = Tile();
#endif
#if SAMPLES_8
  var sums1 = Tile();
#endif
#if SAMPLES_12
  var sums2 = Tile();
#endif
#if SAMPLES_16
  var sums3 = Tile();
#endif
#if SAMPLES_20
  var sums4 = Tile();
#endif
#if SAMPLES_24
  var sums5 = Tile();
#endif
  for (var input = first; input < end; input++) {
    let block = load_block(at);
    at += params.input_stride;
    let inputs0 = load_eight(sample, input, sub_lane);
    let tile0 = lower(inputs0);
    sums0 = add_tile(sums0, block, tile0);
#if TWO_BLOCKS
    let next_block = load_block(next_at);
    next_at += params.input_stride;
    next_sums0 = add_tile(next_sums0, next_block, tile0);
#endif
#if SAMPLES_8
    sums1 = add_tile(sums1, block, upper(inputs0));
#endif
#if SAMPLES_12
    let inputs2 = load_eight(sample + 8u, input, sub_lane);
    sums2 = add_tile(sums2, block, lower(inputs2));
#endif
#if SAMPLES_16
    sums3 = add_tile(sums3, block, upper(inputs2));
#endif
#if SAMPLES_20
    let inputs4 = load_eight(sample + 16u, input, sub_lane);
    sums4 = add_tile(sums4, block, lower(inputs4));
#endif
#if SAMPLES_24
    sums5 = add_tile(sums5, block, upper(inputs4));
#endif
  }
  if (output < slice_outputs) {
    store(chunk, sample, output, sums0);
#if SAMPLES_8
    store(chunk, sample + 4u, output, sums1);
#endif
#if SAMPLES_12
    store(chunk, sample + 8u, output, sums2);
#endif
#if SAMPLES_16
    store(chunk, sample + 12u, output, sums3);
#endif
#if SAMPLES_20
    store(chunk, sample + 16u, output, sums4);
#endif
#if SAMPLES_24
    store(chunk, sample + 20u, output, sums5);
#endif
  }
#if TWO_BLOCKS
  if (output + 64u < slice_outputs) {
    store(chunk, sample, output + 64u, next_sums0);
  }
#endif
}
