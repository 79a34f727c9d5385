/** From the moments of the gradient, or the feature maps alone, to the heat maps and back to the caller. */

import { type KeptClasses, momentsDispatch } from './batches.ts';
import { heatMapDispatch, type WeightedMaps } from './cam/kept-maps.ts';
import { holdLayer } from './cam/traced-layer.ts';
import { type CustomMethod, methodName, methodOf, type WeightsFunction } from './custom-method.ts';
import { OptionError } from './errors.ts';
import type { RawResult } from './explanation.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Cam, Job } from './job.ts';
import type { InputMethod } from './methods.ts';
import { type ClassWeightsScratch, classWeights } from './network/class-weights.ts';
import type { Batch } from './network/split.ts';
import { attribution } from './ops/attribution.ts';
import { maskedScoreWeights, scoreDropWeights } from './ops/masked-scores.ts';
import { type SingularVectorScratch, singularVector } from './ops/singular-vector.ts';
import { upsample } from './ops/upsample.ts';
import { activationShareWeights, alphaWeights, expressionWeights, meanGradientWeights } from './ops/weights.ts';

/**
 * From the moments, or the feature maps alone, to the map.
 *
 * @param samples noisy copies that the moments hold; 0: the clean picture's own gradient
 */
export function mapDispatches(job: Job, samples: number): Dispatch[] {
  const weighted = { ...job.weighted, samples: Math.max(1, samples) };
  if (!job.selection)
    return [...(job.cam ? enlargedGradCam(job, job.cam, samples) : []), attributionDispatch(job, weighted)];
  return [...weightDispatches(job, weighted), heatMapDispatch(weighted, job.selection, job)];
}

function enlargedGradCam({ weighted }: Job, { job: cam, enlarged }: Cam, samples: number): Dispatch[] {
  const { height, width } = cam.weighted;
  const size = { outHeight: weighted.height, outWidth: weighted.width };
  return [
    ...mapDispatches(cam, samples),
    upsample({ maps: 1, height, width }, size, { x: cam.rectified, y: enlarged }),
  ];
}

/** The map of one batch alone, from its own moments; its weights and the map go where `own` says. */
export function batchMapDispatches(
  job: Job,
  batch: Batch,
  own: Pick<WeightedMaps, 'sums' | 'weights'> & Pick<Job, 'zeroCells' | 'signed' | 'rectified'>,
): Dispatch[] {
  const ofBatch = { ...job, ...own, weighted: { ...job.weighted, sums: own.sums, weights: own.weights } };
  return [momentsDispatch(job, batch, own.sums, true), ...mapDispatches(ofBatch, batch.gradients)];
}

/** What the values of the input add, from the moments of the gradient there. */
function attributionDispatch(
  { options, maps: channels, cells, factor, signed, rectified }: Job,
  { sums, samples }: WeightedMaps,
): Dispatch {
  const { reduce } = methodOf(options.method) as InputMethod;
  return attribution({ channels, cells, samples }, reduce, { sums, signed, map: rectified }, factor);
}

/** What the method weights the feature maps with; for those that weight cells the moments are enough. */
function weightDispatches(job: Job, weighted: WeightedMaps): Dispatch[] {
  const { options, zeroCells, maps, cells, singularVector: scratch, maskRanges: ranges, maskedScores: scores } = job;
  const { cleanLogits, classIndex: index, lastGradient, cleanActivations } = job;
  const shape = { maps, cells, samples: weighted.samples };
  const { weights: kind, expression, needsGradient } = methodOf(options.method);
  const name = methodName(options.method);
  switch (kind) {
    case 'mean-gradient':
      return [meanGradientWeights(shape, weighted)];
    case 'alpha':
      return [
        alphaWeights(shape, options, {
          ...weighted,
          activations: cleanActivations ?? weighted.activations,
          zeroCells,
          lastGradient,
        }),
      ];
    case 'activation-share':
      return [activationShareWeights(shape, weighted)];
    case 'gradient':
    case 'positive-gradient':
      return [];
    case 'class-weights': {
      const { weights } = weighted;
      const { contrast } = options;
      return classWeights(job.context, job.classWeights as ClassWeightsScratch, { index, weights, contrast });
    }
    case 'expression': {
      const sums = needsGradient ? weighted.sums : undefined;
      return [expressionWeights(shape, { name, text: expression as string }, { ...weighted, sums })];
    }
    case 'cell-expression':
      // What the expression calls sum_a.
      return [expressionWeights(shape, { name, text: 'a' }, { ...weighted, sums: undefined })];
    case 'function':
      // weighByFunction() has written them.
      return [];
    case undefined:
      throw new Error(`${name} weights no feature maps`);
    case 'singular-vector': {
      const { activations, weights: vector } = weighted;
      return singularVector(shape, { activations, vector, ...(scratch as SingularVectorScratch) });
    }
    case 'masked-scores': {
      const { weights } = weighted;
      return [maskedScoreWeights(maps, { scores: scores as BufferSlice, ranges: ranges as BufferSlice, weights })];
    }
    case 'score-drop': {
      const { weights } = weighted;
      return [scoreDropWeights(maps, { scores: scores as BufferSlice, logits: cleanLogits, index, weights })];
    }
  }
}

/**
 * Asks the method's function for the weights of the feature maps, by what the moments hold by now.
 *
 * @throws OptionError for weights that are none; whatever the function throws
 */
export async function weighByFunction(
  { context, options, target, weighted, maps }: Job,
  samples: number,
): Promise<void> {
  const { gpu } = context.parameters;
  const { name, weights: weigh } = options.method as CustomMethod;
  const held = await holdLayer(gpu, target, { ...weighted, samples: Math.max(1, samples) });
  try {
    const weights = await (weigh as WeightsFunction)(held.layer);
    const areNumbers = weights instanceof Float32Array && weights.every(Number.isFinite);
    if (!areNumbers || weights.length !== maps) {
      throw new OptionError(`the weights by ${name}`, weights, `a Float32Array of ${maps} finite numbers, one a map`);
    }
    gpu.write(weighted.weights.buffer, weights);
  } finally {
    held.release();
  }
}

/** The one read-back, for all classes. */
export async function readResults(jobs: readonly Job[]): Promise<Omit<RawResult, keyof KeptClasses>[]> {
  const words = (slice: BufferSlice, count: number): BufferSlice => ({ ...slice, size: 4 * count });
  const [{ context, classes, cleanLogits, probabilities, copyOverflow, path: line }] = jobs;
  const [logits, shares, overflowed, ...ofClasses] = await context.parameters.gpu.read([
    words(cleanLogits, classes),
    words(probabilities, classes),
    words(copyOverflow, 1),
    ...jobs.flatMap(({ rectified, signed, classIndex, zeroCells }) => [
      rectified,
      signed,
      words(classIndex, 1),
      words(zeroCells, 1),
    ]),
    ...(line ? [words(line.baselineLogits, classes)] : []),
  ]);
  return jobs.map((_, c) => {
    const [rectified, signed, classIndex, zeroCells] = ofClasses.slice(4 * c, 4 * c + 4);
    return {
      rectified: new Float32Array(rectified),
      signed: new Float32Array(signed),
      logits: new Float32Array(logits),
      probabilities: new Float32Array(shares),
      classIndex: new Uint32Array(classIndex)[0],
      zeroCells: new Uint32Array(zeroCells)[0],
      copyOverflow: new Uint32Array(overflowed)[0] === 1,
      baselineLogits: line && new Float32Array(ofClasses[4 * jobs.length]),
    };
  });
}
