/**
 * Methods that ask what the score becomes without something: a copy for each feature map, masked by it or without it, passed
 * forward. The copies are rows of batches as the noisy ones are.
 */

import { methodOf } from './custom-method.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { Job } from './job.ts';
import { activationSlice, forwardStep } from './network/run.ts';
import type { Batch } from './network/split.ts';
import { ablate } from './ops/ablate.ts';
import { maskInput, maskRanges } from './ops/mask-input.ts';
import { maskedScores } from './ops/masked-scores.ts';
import { overflow } from './ops/overflow.ts';

/** Batches of copies, from the masks to each class's scores; the clean picture's feature maps are there already. */
export function maskedDispatches(jobs: readonly Job[], copies: NonNullable<Batch['masked']>): Dispatch[] {
  const [job] = jobs;
  const { context, classes, copyOverflow, options } = job;
  const { steps } = context.plan;
  const isAtLayer = methodOf(options.method).masks === 'layer';
  const first = isAtLayer ? steps.findIndex(({ kind }) => kind === 'capture') : 0;
  const logits = activationSlice(context, context.graph.logits.name);
  return [
    ...(isAtLayer ? [ablatedMaps(job, copies)] : maskedInputs(job, copies)),
    ...steps.slice(first).flatMap((step) => (step.kind === 'forward' ? forwardStep(context, step, copies.count) : [])),
    overflow(copies.count * classes, { x: logits, flag: copyOverflow }),
    ...jobs.map(({ classIndex: index, maskedScores: scores }) =>
      maskedScores(classes, copies, { logits, index, scores: scores as BufferSlice }),
    ),
  ];
}

function maskedInputs(
  { context, maps, weighted, input, maskRanges: allRanges }: Job,
  copies: NonNullable<Batch['masked']>,
): Dispatch[] {
  const { name, shape: inputShape } = context.graph.input;
  const [channels, outHeight, outWidth] = inputShape;
  const { height, width, activations } = weighted;
  const shape = { maps, height, width, channels, outHeight, outWidth };
  const ranges = allRanges as BufferSlice;
  return [
    ...(copies.first === 0 ? [maskRanges(shape, { activations, ranges })] : []),
    maskInput(shape, copies, { x: input, activations, ranges, y: activationSlice(context, name) }),
  ];
}

function ablatedMaps({ context, target, maps, cells, weighted }: Job, copies: NonNullable<Batch['masked']>): Dispatch {
  const { activations } = weighted;
  return ablate({ maps, cells }, copies, { activations, y: activationSlice(context, target) });
}
