// ω_m = e^(S_m - max S) of maths.md for scores that arrive batch by batch: for each sample, the factor that brings the
// sums so far to the new maximum, and the sample's own weight. One invocation: the batch is small and the order matters.
struct Params {
  grid_first: u32,
  grid_end: u32,
  samples: u32,
  classes: u32,
  restart: u32,
  contrast: u32, // a class whose logit is subtracted, or none of them
}
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>; // the class
@group(0) @binding(2) var<storage, read_write> largest: array<f32>; // max S so far
@group(0) @binding(3) var<storage, read_write> sample_weights: array<vec4f>; // (factor for the sums so far, ω, ω, ω)
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  if (workgroup_index(workgroup, workgroups, params.grid_first) >= params.grid_end) {
    return;
  }
  var top = largest[0];
  for (var m = 0u; m < params.samples; m++) {
    var score = logits[m * params.classes + index[0]];
    if (params.contrast < params.classes) {
      score -= logits[m * params.classes + params.contrast];
    }
    if (m == 0u && params.restart == 1u) {
      top = score;
    }
    let new_top = max(top, score);
    let weight = exp(score - new_top);
    sample_weights[m] = vec4f(exp(top - new_top), weight, weight, weight);
    top = new_top;
  }
  largest[0] = top;
}
