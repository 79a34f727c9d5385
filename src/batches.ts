/** The dispatches of a batch, in the order of the plan: from the noisy copies forward to the scores, and back to the moments. */
import type { BufferSlice } from './gpu/buffers.ts';
import type { Dispatch } from './gpu/encoder.ts';
import { type Cam, type Job, partOf } from './job.ts';
import { elementsOf } from './network/graph.ts';
import { tensorName } from './network/lifetimes.ts';
import {
  activationSlice,
  classGradientsSlice,
  classStep,
  forwardStep,
  gradientSlice,
  gradientStep,
  maskStep,
  type RunContext,
  reluGradientStep,
  tensorSlice,
} from './network/run.ts';
import { poolShape } from './network/shapes.ts';
import type { Batch } from './network/split.ts';
import { classByClass, type Step } from './network/steps.ts';
import { argmax } from './ops/argmax.ts';
import { moments, unpooledMoments } from './ops/moments.ts';
import { noise } from './ops/noise.ts';
import { oneHot } from './ops/one-hot.ts';
import { overflow } from './ops/overflow.ts';
import { copySample, sampleMean } from './ops/sample-mean.ts';
import { softmax } from './ops/softmax.ts';
import { SCORE_VARIABLES } from './scores.ts';

type MomentsStep = Extract<Step, { kind: 'moments' }>;

/** One batch, from the noise to the logits. */
export function forwardBatch(jobs: readonly Job[], batch: Batch): Dispatch[] {
  const [{ context }] = jobs;
  const { steps } = context.plan;
  const seed = seedStep(context);
  return steps.slice(0, seed < 0 ? undefined : seed).flatMap((step) => forwardDispatches(jobs, step, batch));
}

/** The way back of one batch behind forwardBatch(), for each class: from its score to the moments at all layers. */
export function backwardBatch(jobs: readonly Job[], batch: Batch): Dispatch[] {
  if (batch.gradients === 0) return [];
  const [{ context }] = jobs;
  const { steps } = context.plan;
  const classes = [...new Set(jobs.map(({ classIndex }) => classIndex))].map((classIndex) =>
    jobs.filter((job) => job.classIndex === classIndex),
  );
  const from = classByClass(steps);
  const isShared = steps[from].kind === 'class';
  const shared = isShared
    ? [
        ...classes.map(([job], c) => seedDispatch(job, batch, c)),
        ...stepsBack(context, batch, steps.slice(seedStep(context) + 1, from)),
      ]
    : [];
  const own = classes.flatMap((ofClass, c) => {
    const begin = isShared ? { ofClass: c } : { seed: seedDispatch(ofClass[0], batch) };
    const end = (target: string) => addMoments(jobAt(ofClass, target), batch);
    return stepsBack(context, batch, steps.slice(from), { ...begin, end });
  });
  return [...shared, ...own];
}

/** Of a call's jobs, the first at a node; where none is there, it is the layer of guided Grad-CAM. */
export function jobAt(jobs: readonly Job[], target: string): Job {
  return jobs.find((job) => job.target === target) ?? (jobs[0].cam as Cam).job;
}

function seedStep({ plan }: RunContext): number {
  return plan.steps.findIndex(({ kind }) => kind === 'seed');
}

function forwardDispatches(jobs: readonly Job[], step: Step, batch: Batch): Dispatch[] {
  const [job] = jobs;
  const { context, classes } = job;
  const rows = batch.noisy + batch.clean;
  const logits = activationSlice(context, context.graph.logits.name);
  switch (step.kind) {
    case 'input':
      return [job.path ? partOf(job, 'atInput').pathDispatch(job, job.path, batch) : noiseDispatch(job, batch)];
    case 'forward':
      return forwardStep(context, step, rows);
    case 'mask':
      return batch.gradients > 0 ? [maskStep(context, step.node, batch.gradients)] : [];
    case 'capture':
      return captureActivations(jobAt(jobs, step.node.name), batch);
    case 'logits':
      return [
        ...(batch.noisy > 0 ? [overflow(batch.noisy * classes, { x: logits, flag: job.copyOverflow })] : []),
        ...(job.path ? partOf(job, 'atInput').baselineScores(job, job.path, batch, logits) : []),
        ...(batch.clean ? cleanScores(job, batch.noisy, logits) : []),
      ];
    default:
      throw new Error(`${step.kind} is no step of the forward pass`);
  }
}

/** From a gradient of the logits to that of each target. @param end what is done with it there */
export function waysBack(
  context: RunContext,
  batch: Batch,
  seed: Dispatch,
  end: (target: string) => readonly Dispatch[],
): Dispatch[] {
  return stepsBack(context, batch, context.plan.steps.slice(seedStep(context)), { seed, end });
}

interface WayBack {
  readonly seed?: Dispatch;
  /** Number of the class, where the gradients of all are at hand. */
  readonly ofClass?: number;
  /** What is done with the gradient of each target. */
  end?(target: string): readonly Dispatch[];
}

function stepsBack(
  context: RunContext,
  batch: Batch,
  steps: readonly Step[],
  { seed, ofClass = 0, end = () => [] }: WayBack = {},
): Dispatch[] {
  return steps.flatMap((step) => {
    switch (step.kind) {
      case 'seed':
        return seed ? [seed] : [];
      case 'class':
        return [classStep(context, step, batch.gradients, ofClass)];
      case 'relu-gradient':
        return [reluGradientStep(context, step, batch.gradients)];
      case 'gradient':
        return gradientStep(context, step, batch.gradients);
      case 'moments':
        return [...end(step.target)];
      default:
        throw new Error(`${step.kind} is no step of the backward pass`);
    }
  });
}

/**
 * The gradient of what the score is a function of: the class's logit, less the contrast's, or the logarithm of its softmax.
 *
 * @param together of a logit: its number among the classes whose gradients stand one behind the other
 */
function seedDispatch(job: Job, batch: Batch, together?: number): Dispatch {
  const { context, classes, classIndex: index, options } = job;
  if (SCORE_VARIABLES[options.score] !== 'logit') return partOf(job, 'otherScores').logSoftmaxSeed(job, batch);
  const name = context.graph.logits.name;
  const samples = batch.gradients;
  const y = together === undefined ? gradientSlice(context, name) : classGradientsSlice(context, name);
  return oneHot(classes, samples, { index, y, contrast: options.contrast, first: (together ?? 0) * samples });
}

function noiseDispatch({ context, options, input, range }: Job, batch: Batch): Dispatch {
  const { seed, stdDev, noiseScale } = options;
  return noise(elementsOf(context.graph.input.shape), { seed, stdDev, relative: noiseScale === 'relative' }, batch, {
    x: input,
    range,
    y: activationSlice(context, context.graph.input.name),
  });
}

/** Keeps the feature maps that the final sum will weight, and those of the clean picture that α takes beside them. */
function captureActivations(job: Job, batch: Batch): Dispatch[] {
  const { context, options, maps, cells, cleanActivations } = job;
  const x = activationSlice(context, job.target);
  const total = job.weighted.activations;
  const keepClean = (kept: BufferSlice) =>
    batch.clean ? [copySample(maps * cells, batch.noisy, { x, total: kept })] : [];
  if (options.activations === 'clean' || options.nSamples === 0) return keepClean(total);
  const beside = cleanActivations ? keepClean(cleanActivations) : [];
  if (batch.noisy === 0) return beside;
  if (options.activations === 'last') return [...beside, copySample(maps * cells, batch.noisy - 1, { x, total })];
  const keep = batch.firstSample === 0 ? 0 : 1;
  return [
    sampleMean(maps * cells, { first: 0, samples: batch.noisy, keep, scale: 1 / options.nSamples }, { x, total }),
  ];
}

/** The clean picture's logits and probabilities, and the class they choose unless the caller chose one. */
function cleanScores(job: Job, row: number, logits: BufferSlice): Dispatch[] {
  const { classes, classIndex, cleanLogits, probabilities } = job;
  return [
    copySample(classes, row, { x: logits, total: cleanLogits }),
    softmax(classes, 1, { logits: cleanLogits, probabilities }),
    ...(job.options.classIndex === undefined ? [argmax(classes, 0, { x: cleanLogits, index: classIndex })] : []),
  ];
}

function addMoments(job: Job, batch: Batch): Dispatch[] {
  const restart = batch.firstSample === 0;
  return [
    ...(job.parts.otherScores?.sampleWeightDispatches(job, batch) ?? []),
    momentsDispatch(job, batch, job.weighted.sums, restart),
    ...keepLastGradient(job, batch),
  ];
}

function keepLastGradient({ context, target, maps, cells, lastGradient }: Job, batch: Batch): Dispatch[] {
  if (!lastGradient) return [];
  return [copySample(maps * cells, batch.gradients - 1, { x: gradientSlice(context, target), total: lastGradient })];
}

/** The moments of a batch's gradients into `sums`; with `restart`, of this batch alone. */
export function momentsDispatch(job: Job, batch: Batch, sums: BufferSlice, restart: boolean): Dispatch {
  const { context, target, maps, cells, sampleWeights, classTable } = job;
  const samples = batch.gradients;
  const pool = context.plan.steps.find(
    (step): step is MomentsStep => step.kind === 'moments' && step.target === target,
  )?.pool;
  if (pool) {
    const codes = tensorSlice(context, tensorName.codes(pool.name));
    const buffers = { gradY: gradientSlice(context, pool.name), codes, sums, sampleWeights, restart };
    return unpooledMoments(poolShape(context.graph, pool), samples, buffers);
  }
  const grad = gradientSlice(context, target);
  const ofClasses = classTable && tensorSlice(context, tensorName.classMoments(target));
  return moments(maps * cells, samples, { grad, sums, sampleWeights, classMoments: ofClasses, restart });
}
