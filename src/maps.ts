/** From the moments of the gradient, or the feature maps alone, to the heat maps and back to the caller. */

import { momentsDispatch } from './batches.ts';
import { heatMapDispatch, type WeightedMaps } from './cam/kept-maps.ts';
import { methodName, methodOf } from './custom-method.ts';
import type { ReadResult } from './explanation.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import { type Job, partOf } from './job.ts';
import type { Batch } from './network/split.ts';
import { alphaWeights, meanGradientWeights } from './ops/weights.ts';

/**
 * From the moments, or the feature maps alone, to the map.
 *
 * @param samples noisy copies that the moments hold; 0: the clean picture's own gradient
 */
export function mapDispatches(job: Job, samples: number): Dispatch[] {
  const weighted = { ...job.weighted, samples: Math.max(1, samples) };
  if (!job.selection)
    return [
      ...(job.cam ? [...mapDispatches(job.cam.job, samples), partOf(job, 'atInput').enlargeGradCam(job, job.cam)] : []),
      partOf(job, 'atInput').attributionDispatch(job, weighted),
    ];
  return [
    ...weightDispatches(job, weighted),
    heatMapDispatch(weighted, job.selection, job, job.parts.otherWeights?.expressionMap),
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

/** What the method weights the feature maps with; for those that weight cells the moments are enough. */
function weightDispatches(job: Job, weighted: WeightedMaps): Dispatch[] {
  const { options, zeroCells, maps, cells, lastGradient, cleanActivations } = job;
  const shape = { maps, cells, samples: weighted.samples };
  switch (methodOf(options.method).weights) {
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
    case 'gradient':
    case 'positive-gradient':
      return [];
    case 'function':
      // weighByFunction() has written them.
      return [];
    case undefined:
      throw new Error(`${methodName(options.method)} weights no feature maps`);
    default:
      return partOf(job, 'otherWeights').otherWeights(job, weighted);
  }
}

/** The one read-back, for all classes. */
export async function readResults(jobs: readonly Job[]): Promise<ReadResult[]> {
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
