// Weights W_k of the feature maps from the moments of the gradient, one workgroup a map.
//   ALPHA: W_k = Σ_ij α ReLU(D1), α = N / (2 D2 + G_k D3), G_k = Σ A_k; N = D2, or D1 with FIRST (Grad-CAM++,
//   Chattopadhay et al. 2018, Eq. 19; Smooth Grad-CAM++, Omeiza et al. 2019, Eq. 5 and 7). Where the denominator is not
//   above zero or not finite, α = 0, and the cell is counted.
//   ACTIVATIONS without ALPHA: W_k = Σ_ij (A_k / G_k) D1, the mean of D1 with each cell counting by its share of the map,
//   0 for a map that is zero everywhere (XGrad-CAM, Fu et al. 2020).
//   ACTIVATIONS and EXPRESSION: W_k = Σ_ij of cell_weight(), which is the caller's text. With NO_SUMS it names no moments.
//   neither: W_k = mean over the cells of D1 (Grad-CAM, Selvaraju et al. 2017).
// The sums hold D1 = sum.x / n, D2 = s² sum.y / n, D3 = s³ sum.z / n, so that α ReLU(D1) carries one 1 / n with either
// numerator.
struct Params {
  grid_first: u32,
  grid_end: u32,
  cells: u32, // of one map
  samples: u32, // n
}
#if !NO_SUMS
@group(0) @binding(0) var<storage, read> sums: array<vec4f>;
#endif
#if ACTIVATIONS
@group(0) @binding(1) var<storage, read> activations: array<f32>;
#endif
#if ALPHA
@group(0) @binding(2) var<storage, read_write> zero_cells: atomic<u32>;
#endif
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

const LARGEST = 3.4028234e38;
const SMALLEST_NORMAL = 1.17549435e-38;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let map = workgroup_index(workgroup, workgroups, params.grid_first);
  if (map >= params.grid_end) {
    return;
  }
  let base = map * params.cells;
#if ACTIVATIONS
  var own = 0.0;
  for (var i = lane; i < params.cells; i += 64u) {
    own += activations[base + i];
  }
  let map_sum = sum_lanes(lane, own);
#endif
#if ALPHA
  var zeros = 0u;
#endif
  var weight = 0.0;
  for (var i = lane; i < params.cells; i += 64u) {
#if !NO_SUMS
    let sum = sums[base + i];
#endif
#if ALPHA
    let denominator = fma(map_sum * sum.w, sum.z, 2.0 * sum.y);
    if (denominator > 0.0 && denominator <= LARGEST) {
      let slope = max(sum.x, 0.0);
#if FIRST
      let scaled = slope / sum.w;
      weight += scaled * scaled / denominator;
#else
      weight = fma(sum.y / denominator, slope, weight);
#endif
    } else {
      zeros++;
    }
#elif EXPRESSION
#if NO_SUMS
    let moments = vec3f();
#else
    let moments = decode_moments(sum, params.samples);
#endif
    weight += cell_weight(activations[base + i], moments, map_sum, f32(params.cells));
#elif ACTIVATIONS
    if (map_sum >= SMALLEST_NORMAL) {
      weight = fma(activations[base + i] / map_sum, sum.x, weight);
    }
#else
    weight += sum.x;
#endif
  }
  let total = sum_lanes(lane, weight);
#if ALPHA
  if (zeros > 0u) {
    atomicAdd(&zero_cells, zeros);
  }
#endif
  if (lane == 0u) {
#if EXPRESSION
    weights[map] = total;
#elif ACTIVATIONS
    weights[map] = total / f32(params.samples);
#else
    weights[map] = total / (f32(params.samples) * f32(params.cells));
#endif
  }
}
