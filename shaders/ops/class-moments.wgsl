// Central moments of the classes' gradients, each class counting by its probability, one class of each sample at a time:
// per sample and element (v / s², m3 / s³, s) with v = Σ_j p_j w_j², m3 = Σ_j p_j w_j³, where w_j = g_j - ḡ comes straight
// from the way back of log p_j. Nothing is subtracted here: v keeps its digits however close the gradients are to their
// mean. s is a power of two above the largest |w_j| so far; see moments.wgsl.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  elements: u32, // per sample
  first: u32, // the class of sample m has the probability probabilities[first + m]; 0 where the sample has no more classes
  restart: u32, // 1: the sums begin here
}
@group(0) @binding(0) var<storage, read> grad: array<f32>;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>;
@group(0) @binding(2) var<storage, read_write> class_moments: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = workgroup_index(workgroup, workgroups, params.grid_first);
  let at = group * 64u + lane;
  if (group >= params.grid_end || at >= params.samples * params.elements) {
    return;
  }
  var second = 0.0;
  var third = 0.0;
  var scale = 0.0;
  if (params.restart == 0u) {
    second = class_moments[3u * at];
    third = class_moments[3u * at + 1u];
    scale = class_moments[3u * at + 2u];
  }
  let probability = probabilities[params.first + at / params.elements];
  let w = grad[at];
  if (probability > 0.0 && w != 0.0) {
    let own_scale = power_of_two(scale_exponent(w));
    if (own_scale > scale) {
      let ratio = scale * inverse_power_of_two(own_scale);
      second *= ratio * ratio;
      third *= ratio * ratio * ratio;
      scale = own_scale;
    }
    let h = w * inverse_power_of_two(scale);
    second = fma(probability * h, h, second);
    third = fma(probability * h * h, h, third);
  }
  class_moments[3u * at] = second;
  class_moments[3u * at + 1u] = third;
  class_moments[3u * at + 2u] = scale;
}
