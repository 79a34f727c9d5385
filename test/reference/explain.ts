/** A whole explanation in float64, from the network's input to the map, as the methods' papers state it. */
import { ablations } from './ablate.ts';
import { argmax } from './argmax.ts';
import { explanationMap, type MapOptions } from './map.ts';
import { activationMasks, maskInput } from './mask-input.ts';
import { maskedScoreWeights, scoreDropWeights } from './masked-scores.ts';
import { type Moments, moments, type Score, sampleWeights, scoreMoments } from './moments.ts';
import { backward, forward, logits, type Network } from './network.ts';
import { type NoiseOptions, noisySamples } from './noise.ts';
import { againstClass, oneHot } from './one-hot.ts';
import { relu } from './relu.ts';
import { sampleMean } from './sample-mean.ts';
import { firstSingularVector } from './singular-vector.ts';
import { softmax } from './softmax.ts';
import { reshape, slice, stack, type Tensor, tensor } from './tensor.ts';
import { type AlphaForm, alphaWeights, gradCamWeights, xGradCamWeights } from './weights.ts';

export type ReferenceMethod =
  | 'grad-cam'
  | 'hires-cam'
  | 'grad-cam++'
  | 'smooth-grad-cam++'
  | 'xgrad-cam'
  | 'layer-cam'
  | 'cam'
  | 'eigen-cam'
  | 'score-cam'
  | 'ablation-cam';

export interface ReferenceOptions extends MapOptions, Partial<NoiseOptions>, AlphaForm {
  readonly method: ReferenceMethod;
  readonly layerName: string;
  /** n; every method that takes a gradient takes its mean over the samples. Default 0: the clean picture's own gradient. */
  readonly nSamples?: number;
  /** Default 'exp'. */
  readonly score?: Score;
  /** Default 0: no class is left out of a sum over all classes. */
  readonly maxDroppedShare?: number;
  readonly sampleWeights?: 'uniform' | 'score';
  /** Default 'mean': D1. */
  readonly alphaGradient?: 'mean' | 'last';
  /** With 'last', α takes the clean picture's. */
  readonly activations?: 'clean' | 'mean' | 'last';
  /** Default: the clean picture's most probable class. */
  readonly classIndex?: number | undefined;
  /** The class whose logit is subtracted from the explained one's. */
  readonly contrast?: number | undefined;
}

export interface ReferenceExplanation {
  /** [maps, H, W]: before and after the final ReLU. */
  readonly signed: Tensor;
  readonly map: Tensor;
  /** W: [K], or [K, H, W] where each cell of a map has a weight of its own. */
  readonly weights: Tensor;
  /** A, [K, H, W]. */
  readonly activations: Tensor;
  /** g of every sample, [max(n, 1), K, H, W]. */
  readonly gradients: Tensor;
  readonly classIndex: number;
  /** Of the clean picture: all logits and all probabilities, [classes]. */
  readonly logits: Tensor;
  readonly probabilities: Tensor;
  /** Of α's K·H·W cells; 0 of 0 for the methods that have no α. */
  readonly alphaZeroCells: number;
  readonly alphaCells: number;
  readonly outcome: 'ok' | 'empty' | 'negative-only' | 'degenerate';
}

/** @param input the network's input after preprocessing, [C, H, W] */
export function explain(network: Network, input: Tensor, options: ReferenceOptions): ReferenceExplanation {
  const { method, layerName, nSamples = 0, stdDev = 0.15, noiseScale = 'relative', seed = 0 } = options;

  const clean = runOne(network, input, layerName);
  const classIndex = options.classIndex ?? argmax(reshape(clean.logits, [1, clean.logits.data.length]))[0]!;
  const noise = { stdDev, noiseScale, seed };
  const runs = Array.from({ length: nSamples }, (_, m) =>
    runOne(network, slice(noisySamples(input, 1, noise, m), 0), layerName),
  );
  const differentiated = (nSamples === 0 ? [clean] : runs).map((run) =>
    againstClass(run, classIndex, options.contrast),
  );
  const gradients = stack(differentiated.map((run) => run.gradient(classIndex)));
  const last = differentiated.at(-1)!;
  const activations =
    options.activations === 'mean'
      ? sampleMean(stack(differentiated.map((run) => run.activations)))
      : options.activations === 'last'
        ? last.activations
        : clean.activations;

  const scores = differentiated.map((run) => run.logits.data[classIndex]!);
  const omega = sampleWeights(options.sampleWeights ?? 'uniform', scores);
  const { score = 'exp', maxDroppedShare = 0 } = options;
  const d =
    score === 'exp'
      ? moments(gradients, omega)
      : scoreMoments(
          score,
          classIndex,
          stack(differentiated.map((run) => stack(Array.from(run.logits.data, (_, j) => run.gradient(j))))),
          stack(differentiated.map((run) => run.logits)),
          omega,
          maxDroppedShare,
        );
  const weigh = () => {
    switch (method) {
      case 'cam':
        return withoutAlpha(classWeights(network, classIndex, options.contrast));
      case 'score-cam':
        return withoutAlpha(scoreCamWeights(network, input, activations, classIndex));
      case 'ablation-cam': {
        const score = clean.logits.data[classIndex]!;
        return withoutAlpha(ablationCamWeights(network, layerName, activations, score, classIndex));
      }
      default:
        return weightsOf(method, d, activations, {
          form: options,
          activations: options.activations === 'last' ? clean.activations : activations,
          gradient: options.alphaGradient === 'last' ? last.gradient(classIndex) : d.first,
        });
    }
  };
  const { weights, alphaZeroCells, alphaCells } = weigh();
  const { signed, map } = explanationMap(activations, weights, options);
  const classes = clean.logits.data.length;
  return {
    signed,
    map,
    weights,
    activations,
    gradients,
    classIndex,
    logits: clean.logits,
    probabilities: reshape(softmax(reshape(clean.logits, [1, classes])), [classes]),
    alphaZeroCells,
    alphaCells,
    outcome: outcomeOf(signed, map, alphaCells > 0 && alphaZeroCells === alphaCells),
  };
}

function weightsOf(
  method: Exclude<ReferenceMethod, 'cam' | 'score-cam' | 'ablation-cam'>,
  d: Moments,
  activations: Tensor,
  alpha: { form: AlphaForm; activations: Tensor; gradient: Tensor },
): { weights: Tensor; alphaZeroCells: number; alphaCells: number } {
  switch (method) {
    case 'grad-cam':
      return withoutAlpha(gradCamWeights(d.first));
    case 'hires-cam':
      return withoutAlpha(d.first);
    case 'xgrad-cam':
      return withoutAlpha(xGradCamWeights(d.first, activations));
    case 'layer-cam':
      return withoutAlpha(relu(d.first));
    case 'eigen-cam':
      return withoutAlpha(firstSingularVector(activations).vector);
    case 'grad-cam++':
    case 'smooth-grad-cam++':
      return {
        ...alphaWeights(d, alpha.activations, alpha.form, alpha.gradient),
        alphaCells: activations.data.length,
      };
  }
}

function withoutAlpha(weights: Tensor) {
  return { weights, alphaZeroCells: 0, alphaCells: 0 };
}

/** Zhou et al. 2016: w_k^c of the last layer, the weights of the means that it takes; less those of the contrast. */
function classWeights(network: Network, classIndex: number, contrast: number | undefined): Tensor {
  const last = network.at(-1);
  if (last?.op !== 'dense') throw new RangeError('the network does not end in a dense layer');
  const [maps, classes] = last.weights.shape as readonly number[] as [number, number];
  const weight = (k: number, c: number | undefined) => (c === undefined ? 0 : last.weights.data[k * classes + c]!);
  return tensor(
    [maps],
    Array.from({ length: maps }, (_, k) => weight(k, classIndex) - weight(k, contrast)),
  );
}

/** Wang et al. 2020, Algorithm 1, with the logit of the class as the score: one masked picture at a time. */
function scoreCamWeights(network: Network, input: Tensor, activations: Tensor, classIndex: number): Tensor {
  const scores = activationMasks(activations, input.shape.slice(1) as [number, number]).map((mask) => {
    const masked = stack([maskInput(input, mask)]);
    return mask && logits(network, forward(network, masked)).data[classIndex]!;
  });
  return maskedScoreWeights(scores);
}

/** Desai and Ramaswamy 2020, from the layer on: the logit of the class without each of the maps. */
function ablationCamWeights(
  network: Network,
  layerName: string,
  activations: Tensor,
  score: number,
  classIndex: number,
): Tensor {
  const outputs = logits(network, forward(network, ablations(activations), layerName));
  const [maps, classes] = outputs.shape as readonly number[] as [number, number];
  return scoreDropWeights(
    score,
    Array.from({ length: maps }, (_, k) => outputs.data[k * classes + classIndex]!),
  );
}

/** One picture through the network: its logits, its feature maps A and, on demand, ∂S_c/∂A. */
function runOne(network: Network, input: Tensor, layerName: string) {
  const batch = stack([input]);
  const outputs = forward(network, batch);
  const batchLogits = logits(network, outputs);
  return {
    logits: slice(batchLogits, 0),
    activations: slice(outputs.get(layerName)!, 0),
    gradient: (classIndex: number) =>
      slice(backward(network, batch, outputs, oneHot([classIndex], batchLogits.shape[1]!), layerName), 0),
  };
}

function outcomeOf(signed: Tensor, map: Tensor, everyAlphaZero: boolean): ReferenceExplanation['outcome'] {
  if (everyAlphaZero) return 'degenerate';
  if (map.data.some((value) => value > 0)) return 'ok';
  return signed.data.some((value) => value < 0) ? 'negative-only' : 'empty';
}
