/** What each value of the network's input adds to a class's logit, in float64, as the methods' papers state it. */
import { argmax } from './argmax.ts';
import { attributionMap, timesInput } from './attribution.ts';
import { explain } from './explain.ts';
import { moments, sampleWeights } from './moments.ts';
import { backward, forward, logits, type Network } from './network.ts';
import { type NoiseOptions, noisySamples } from './noise.ts';
import { againstClass, oneHot } from './one-hot.ts';
import { midpoints, pointOnPath } from './path.ts';
import type { ReluRule } from './relu.ts';
import { softmax } from './softmax.ts';
import { reshape, slice, stack, type Tensor, tensor } from './tensor.ts';
import { upsample } from './upsample.ts';

const INPUT_METHODS = [
  'guided-grad-cam',
  'gradient',
  'gradient-x-input',
  'smooth-grad',
  'guided-backprop',
  'deconvnet',
  'integrated-gradients',
] as const;
export type InputMethod = (typeof INPUT_METHODS)[number];

export function isInputMethod(method: string): method is InputMethod {
  return INPUT_METHODS.includes(method as InputMethod);
}

export interface AttributeOptions extends Partial<NoiseOptions> {
  readonly method: InputMethod;
  /** n; the gradient is the mean over so many noisy copies. Default 0: the clean picture's own gradient. */
  readonly nSamples?: number;
  readonly sampleWeights?: 'uniform' | 'score';
  /** Of integrated gradients. Default 50. */
  readonly steps?: number;
  /** Of guided Grad-CAM. */
  readonly layerName?: string;
  /** Default: the clean picture's most probable class. */
  readonly classIndex?: number | undefined;
  /** The class whose logit is subtracted from the explained one's. */
  readonly contrast?: number | undefined;
}

export interface ReferenceAttribution {
  /** [C, H, W] */
  readonly signed: Tensor;
  /** [1, H, W] */
  readonly map: Tensor;
  readonly classIndex: number;
  /** Of the clean picture, [classes]. */
  readonly logits: Tensor;
  readonly probabilities: Tensor;
  readonly outcome: 'ok' | 'empty' | 'negative-only';
  /** Of integrated gradients: S of the picture less S of the baseline. */
  readonly gained: number | undefined;
}

/**
 * @param input x, after preprocessing, [C, H, W]
 * @param baseline where integrated gradients begin, a value for each channel
 */
export function attribute(
  network: Network,
  input: Tensor,
  baseline: readonly number[],
  options: AttributeOptions,
): ReferenceAttribution {
  const { method, steps = 50, nSamples = 0, stdDev = 0.15, noiseScale = 'relative', seed = 0 } = options;
  const rule = method.startsWith('guided-') ? 'guided' : method === 'deconvnet' ? 'deconvnet' : 'gradient';
  const cleanLogits = runOne(network, input, rule).logits;
  const classes = cleanLogits.shape[1]!;
  const classIndex = options.classIndex ?? argmax(cleanLogits)[0]!;

  const copies = Array.from({ length: nSamples }, (_, m) =>
    slice(noisySamples(input, 1, { stdDev, noiseScale, seed }, m), 0),
  );
  const points = method === 'integrated-gradients' ? midpoints(input, baseline, steps) : copies;
  const runs = (points.length === 0 ? [input] : points).map((x) =>
    againstClass(runOne(network, x, rule), classIndex, options.contrast),
  );
  const gradients = stack(runs.map((run) => run.gradient(classIndex)));
  const scores = runs.map((run) => run.logits.data[classIndex]!);
  const gradient = moments(gradients, sampleWeights(options.sampleWeights ?? 'uniform', scores)).first;

  const isPath = method === 'integrated-gradients';
  const isProduct = isPath || method === 'gradient-x-input';
  const attributed = isProduct ? timesInput(gradient, input, isPath ? baseline : undefined) : gradient;
  const signed =
    method === 'guided-grad-cam' ? timesGradCam(gradient, network, input, { ...options, classIndex }) : attributed;
  const map = attributionMap(signed, isProduct ? 'sum' : 'largest');
  const start = runOne(network, pointOnPath(input, baseline, 0), rule).logits;
  return {
    signed,
    map: reshape(map, [1, ...map.shape]),
    classIndex,
    logits: reshape(cleanLogits, [classes]),
    probabilities: reshape(softmax(cleanLogits), [classes]),
    outcome: outcomeOf(signed, map),
    gained: isPath ? scoreOf(cleanLogits, classIndex, options) - scoreOf(start, classIndex, options) : undefined,
  };
}

function scoreOf({ data }: Tensor, classIndex: number, { contrast }: AttributeOptions): number {
  return data[classIndex]! - (contrast === undefined ? 0 : data[contrast]!);
}

/** Guided Grad-CAM (Selvaraju et al. 2017): each channel of guided backpropagation times the layer's Grad-CAM, enlarged. */
function timesGradCam(
  guided: Tensor,
  network: Network,
  input: Tensor,
  { layerName = 'block5_conv3', ...options }: AttributeOptions,
): Tensor {
  const [, height, width] = input.shape as readonly number[] as [number, number, number];
  const { map } = explain(network, input, { ...options, method: 'grad-cam', layerName });
  const heat = upsample(map, [height, width]).data;
  return tensor(
    guided.shape,
    guided.data.map((value, i) => value * heat[i % heat.length]!),
  );
}

function outcomeOf(signed: Tensor, map: Tensor): ReferenceAttribution['outcome'] {
  if (map.data.some((value) => value > 0)) return 'ok';
  return signed.data.some((value) => value !== 0) ? 'negative-only' : 'empty';
}

/** One picture through the network: its logits [1, classes] and, on demand, ∂S_c/∂x [C, H, W], or what the rule makes of it. */
function runOne(network: Network, input: Tensor, rule: ReluRule) {
  const batch = stack([input]);
  const outputs = forward(network, batch);
  const batchLogits = logits(network, outputs);
  return {
    logits: batchLogits,
    gradient: (classIndex: number) =>
      slice(backward(network, batch, outputs, oneHot([classIndex], batchLogits.shape[1]!), undefined, rule), 0),
  };
}
