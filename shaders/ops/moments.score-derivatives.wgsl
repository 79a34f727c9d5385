// The derivatives φ', φ'' and φ''' of a score Y = φ(x) of each sample, as sample weights of moments.wgsl. One workgroup a
// sample.
//   SIGMOID: Y = σ(S), x = S the logit of the class, less that of the contrast if there is one: s(1 - s), s(1 - s)(1 - 2s), s(1 - s)(1 - 6s + 6s²). With t = e^-|S|
//   they are products of what keeps its digits where s is nearly 0 or 1: s(1 - s) = t / (1 + t)², and so on.
//   otherwise: Y = p, the class's softmax, as e^x of x = log p: all three are p.
struct Params {
  grid_first: u32,
  grid_end: u32,
  classes: u32,
  contrast: u32, // a class whose logit SIGMOID subtracts, or none of them
}
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>; // the class
@group(0) @binding(2) var<storage, read_write> sample_weights: array<vec4f>; // (1, φ', φ'', φ''')
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let sample = workgroup_index(workgroup, workgroups, params.grid_first);
  if (sample >= params.grid_end) {
    return;
  }
  let base = sample * params.classes;
  var score = logits[base + index[0]];
#if SIGMOID
  if (lane == 0u) {
    if (params.contrast < params.classes) {
      score -= logits[base + params.contrast];
    }
    let t = exp(-abs(score));
    let first = t / ((1.0 + t) * (1.0 + t));
    let slope = select(1.0, -1.0, score > 0.0) * (1.0 - t) / (1.0 + t); // 1 - 2s
    sample_weights[sample] = vec4f(1.0, first, first * slope, first * (1.0 - 6.0 * first));
  }
#else
  var largest = score;
  for (var c = lane; c < params.classes; c += 64u) {
    largest = max(largest, logits[base + c]);
  }
  largest = max_lanes(lane, largest);
  var sum = 0.0;
  for (var c = lane; c < params.classes; c += 64u) {
    sum += exp(logits[base + c] - largest);
  }
  sum = sum_lanes(lane, sum);
  if (lane == 0u) {
    let p = exp(score - largest) / sum;
    sample_weights[sample] = vec4f(1.0, p, p, p);
  }
#endif
}
