// The heat map L = ReLU(Σ_k W_k A_k) over the listed feature maps, and the sum before the ReLU. With several maps of one
// filter each, map f is that of filters[f]. Cells whose `subset` entry is 0 are zero. An invocation makes one cell.
//   CELLS: each cell of a feature map has a weight of its own, the mean gradient D1 = sums.x / n there (HiResCAM,
//   Draelos and Carin 2020); with POSITIVE its positive part (LayerCAM, Jiang et al. 2021).
//   EXPRESSION: that weight is cell_weight(), the caller's text, and `weights` holds Σ A_k. With NO_SUMS it names no moments.
struct Params {
  grid_first: u32,
  grid_end: u32,
  maps: u32,
  filters_per_map: u32,
  cells: u32,
#if CELLS
  samples: u32, // n
#elif EXPRESSION
  samples: u32, // n
#endif
}
@group(0) @binding(0) var<storage, read> activations: array<f32>;
#if CELLS
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read> weights: array<f32>;
#endif
#if EXPRESSION
#if !NO_SUMS
@group(0) @binding(7) var<storage, read> sums: array<vec4f>;
#endif
#endif
@group(0) @binding(2) var<storage, read> filters: array<u32>;
@group(0) @binding(3) var<storage, read> subset: array<u32>;
@group(0) @binding(4) var<storage, read_write> signed_map: array<f32>;
@group(0) @binding(5) var<storage, read_write> rectified_map: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

fn weight_at(filter_index: u32, cell: u32) -> f32 {
#if CELLS
  let slope = sums[filter_index * params.cells + cell].x / f32(params.samples);
#if POSITIVE
  return max(slope, 0.0);
#else
  return slope;
#endif
#elif EXPRESSION
  let at = filter_index * params.cells + cell;
#if NO_SUMS
  let moments = vec3f();
#else
  let moments = decode_moments(sums[at], params.samples);
#endif
  return cell_weight(activations[at], moments, weights[filter_index], f32(params.cells));
#else
  return weights[filter_index];
#endif
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.maps * params.cells) {
    return;
  }
  let cell = at % params.cells;
  let first = at / params.cells * params.filters_per_map;
  var sum = 0.0;
  if (subset[cell] != 0u) {
    for (var i = first; i < first + params.filters_per_map; i++) {
      let filter_index = filters[i];
      sum = fma(weight_at(filter_index, cell), activations[filter_index * params.cells + cell], sum);
    }
  }
  signed_map[at] = sum;
  rectified_map[at] = max(sum, 0.0);
}
