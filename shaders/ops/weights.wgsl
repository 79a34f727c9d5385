// Weights W_k of the feature maps from the moments of the gradient, one workgroup a map.
//   ALPHA: W_k = Σ_ij α ReLU(D1), α = N / (2 D2 + G_k D3), G_k = Σ A_k; N = D2, or D1 with FIRST (Grad-CAM++,
//   Chattopadhay et al. 2018, Eq. 19; Smooth Grad-CAM++, Omeiza et al. 2019, Eq. 5 and 7). Where the denominator is not
//   above zero or not finite, α = 0, and the cell is counted. Conventions of other programs:
//     SUM: Σ_ab A_k D3 in the place of G_k D3. BARE: no denominator, α = N. EPSILON: a number added to the denominator.
//     NONZERO: a denominator below zero counts too.
//     NORMALIZE: α divided by its sum over the map, with POSITIVE over the cells that W_k takes, where that is not 0.
//     LAST: the gradient of the last sample in the place of D1 behind α.
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
#if EPSILON
  epsilon: f32,
#endif
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
#if LAST
@group(0) @binding(5) var<storage, read> last_gradient: array<f32>;
#endif

const LARGEST = 3.4028234e38;
const SMALLEST_NORMAL = 1.17549435e-38;
// Units in which a term that is no moment is still finite; what is smaller is nothing beside it.
const SMALLEST_UNIT = 0x1p-50;

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
#if NORMALIZE
  var alphas = 0.0;
#endif
#if SUM
  // The sums of all cells in one unit, the largest of their scales.
  var own_unit = SMALLEST_NORMAL;
  for (var i = lane; i < params.cells; i += 64u) {
    own_unit = max(own_unit, sums[base + i].w);
  }
  let map_unit = max_lanes(lane, own_unit);
  var own_third = 0.0;
  for (var i = lane; i < params.cells; i += 64u) {
    let relative = sums[base + i].w / map_unit;
    own_third = fma(activations[base + i] * relative * relative * relative, sums[base + i].z, own_third);
  }
  let map_third = sum_lanes(lane, own_third) * map_unit;
#endif
#endif
  var weight = 0.0;
  for (var i = lane; i < params.cells; i += 64u) {
#if !NO_SUMS
    let sum = sums[base + i];
#endif
#if ALPHA
    // D2 and the denominator in units of s² / n, which the quotient does not have.
#if SUM
    let unit = map_unit;
    let second = sum.y * (sum.w / unit) * (sum.w / unit);
    var denominator = fma(2.0, second, map_third);
#else
    let unit = max(sum.w, SMALLEST_NORMAL);
    let second = sum.y;
#if BARE
    var denominator = f32(params.samples) / (max(unit, SMALLEST_UNIT) * max(unit, SMALLEST_UNIT));
#else
    var denominator = fma(map_sum * unit, sum.z, 2.0 * second);
#endif
#endif
#if EPSILON
    denominator += params.epsilon * f32(params.samples) / (max(unit, SMALLEST_UNIT) * max(unit, SMALLEST_UNIT));
#endif
#if NONZERO
    let is_usable = denominator != 0.0 && abs(denominator) <= LARGEST;
#else
    let is_usable = denominator > 0.0 && denominator <= LARGEST;
#endif
    if (is_usable) {
#if LAST
      let slope = max(last_gradient[base + i], 0.0);
#else
      let slope = max(sum.x, 0.0);
#endif
#if FIRST
      weight += (sum.x / unit) * (slope / unit) / denominator;
#else
      weight = fma(second / denominator, slope, weight);
#endif
#if NORMALIZE
#if FIRST
      let alpha = sum.x / unit / denominator / unit;
#else
      let alpha = second / denominator;
#endif
#if POSITIVE
      alphas += select(0.0, alpha, slope > 0.0);
#else
      alphas += alpha;
#endif
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
#if NORMALIZE
  let alpha_sum = sum_lanes(lane, alphas);
  let total = sum_lanes(lane, weight) / select(1.0, alpha_sum, abs(alpha_sum) >= SMALLEST_NORMAL);
#else
  let total = sum_lanes(lane, weight);
#endif
#if ALPHA
  if (zeros > 0u) {
    atomicAdd(&zero_cells, zeros);
  }
#endif
  if (lane == 0u) {
#if EXPRESSION
    weights[map] = total;
#elif LAST
    weights[map] = total;
#elif ACTIVATIONS
    weights[map] = total / f32(params.samples);
#else
    weights[map] = total / (f32(params.samples) * f32(params.cells));
#endif
  }
}
