/**
 * An explanation, in call order: picture, noisy copies, forward to the layer and to the score, backward to the layer,
 * running moments of the gradient, weights, map. Between the picture's upload and the map's read-back everything stays
 * on the GPU. The formulas are those of Omeiza et al. 2019 and its predecessors; see src/ops for each.
 */

import { backwardBatch, forwardBatch } from './batches.ts';
import { checkedCall } from './checked-options.ts';
import { methodOf } from './custom-method.ts';
import { throwIfAborted } from './errors.ts';
import { type Explanation, finish, type Timings } from './explanation.ts';
import type { FusedExplanation } from './fused-explanation.ts';
import type { Dispatch } from './gpu/encoder.ts';
import { Workspace } from './gpu/workspace.ts';
import { type ImageInput, readPicture } from './image/picture.ts';
import {
  checkDerivatives,
  type Job,
  type KeptClasses,
  needsClassMoments,
  prepareInput,
  prepareJobs,
  prepareSamples,
  weightsLastGradient,
} from './job.ts';
import { bytesToKeep, keptMaps, lastingParts } from './kept-results.ts';
import { mapDispatches, readResults } from './maps.ts';
import { takesPath } from './methods.ts';
import type { Model } from './model.ts';
import { type Plan, planExplanation } from './network/plan.ts';
import { type Batch, batchRows } from './network/split.ts';
import { kernelsOf, weightsNeeded } from './network/steps.ts';
import { loadTunings } from './network/tune.ts';
import { onDemand } from './on-demand.ts';
import {
  type AnyExplainOptions,
  type CallOptions,
  cellsStandAlone,
  type ExplainClassesOptions,
  type ExplainLayersOptions,
  type ExplainOptions,
  type FusionClassesOptions,
  type FusionOptions,
  hasEvenAreas,
  type ResolvedOptions,
} from './options.ts';
import { loadParts } from './parts.ts';
import { SCORE_VARIABLES } from './scores.ts';
import { sumOf } from './sum.ts';
import { beginJob } from './tune.ts';
import { checksumOf } from './weights/sha256.ts';

/**
 * Explains why the model gives a picture its class, or each of several classes of the caller's choice: these share the
 * forward pass, so that a further class costs its way back only. Several layers share both passes and the noise, down to the
 * lowest; of methods with masked copies, and of Guided Grad-CAM, each takes passes of its own. Their maps are results of their
 * own, or with `fusion` one.
 *
 * @throws OptionError, ImageError, LimitError (one sample does not fit the device), OverflowError,
 * DeviceLostError, DisposedError, AbortError
 */
export function explain(model: Model, image: ImageInput, options?: ExplainOptions): Promise<Explanation>;
export function explain(model: Model, image: ImageInput, options: FusionOptions): Promise<FusedExplanation>;
export function explain(
  model: Model,
  image: ImageInput,
  options: ExplainOptions | FusionOptions,
): Promise<OneExplanation>;
export function explain(model: Model, image: ImageInput, options: FusionClassesOptions): Promise<FusedExplanation[]>;
export function explain(
  model: Model,
  image: ImageInput,
  options: ExplainClassesOptions | ExplainLayersOptions,
): Promise<Explanation[]>;
export function explain(
  model: Model,
  image: ImageInput,
  options: AnyExplainOptions,
): Promise<OneExplanation | OneExplanation[]>;
export async function explain(
  model: Model,
  image: ImageInput,
  options: AnyExplainOptions = {},
): Promise<OneExplanation | OneExplanation[]> {
  model.throwIfDisposed();
  const { asked, fusion, isList } = await checkedCall(options, model);
  const all = asked.flat();
  const { signal } = options;
  const fusing = fusion && (await fusionParts(signal));
  const explanations = await explainAll(model, image, all, options);
  const ofClasses = asked.map((ofLayers, c) => explanations.slice(c * ofLayers.length, (c + 1) * ofLayers.length));
  const results = fusing
    ? await Promise.all(ofClasses.map((ofLayers) => fusing.fuse(model, ofLayers, fusion)))
    : explanations;
  return isList ? results : results[0];
}

function fusionParts(signal: AbortSignal | undefined) {
  return onDemand('the fusion of maps', () => import('./fused-explanation.ts'), signal);
}

/** Of a layer, or of several. */
export type OneExplanation = Explanation | FusedExplanation;

/** The paper's call: Smooth Grad-CAM++ with the paper's parameter names, which are those of `explain`. */
export function gradCamPlusSmooth(
  model: Model,
  image: ImageInput,
  options: Omit<ExplainOptions, 'method'> = {},
): Promise<Explanation> {
  return explain(model, image, { ...options, method: 'smooth-grad-cam++' });
}

/** @returns a result for each of `asked` */
async function explainAll(
  model: Model,
  image: ImageInput,
  asked: readonly ResolvedOptions[],
  call: CallOptions,
): Promise<Explanation[]> {
  const passes = passesOf(asked);
  if (passes.length === 1) return explainPass(model, image, asked, call);
  const severalPasses = () => import('./several-passes.ts');
  const { explainPasses } = await onDemand('several passes in a call', severalPasses, call.signal);
  const results = await explainPasses(model, image, passes, call, explainPass);
  return asked.map((options) => results.get(options) as Explanation);
}

/** What can be explained in one pass, class by class: all layers, unless the rows of a batch depend on the layer. */
function passesOf(asked: readonly ResolvedOptions[]): ResolvedOptions[][] {
  const { masks, place } = methodOf(asked[0].method);
  if (!masks && place === 'layer') return [[...asked]];
  return [...new Set(asked.map(({ layerName }) => layerName))].map((name) =>
    asked.filter(({ layerName }) => layerName === name),
  );
}

async function explainPass(
  model: Model,
  image: ImageInput,
  asked: readonly ResolvedOptions[],
  call: CallOptions,
): Promise<Explanation[]> {
  const batches = explainInBatches(model, image, asked, call);
  for (;;) {
    const { done, value } = await batches.next();
    if (done) return value;
  }
}

/** A batch that was submitted. */
export interface BatchDone {
  /** Noisy copies, or points of a path, so far. */
  readonly samples: number;
  readonly batch: Batch;
  /** One for each class. */
  readonly jobs: readonly Job[];
  /** Ends a growing explanation here, as if no more copies had been asked for. */
  stop(): void;
}

/**
 * An explanation, batch by batch, for those who look at it as it grows.
 *
 * @param asked options in force for each result; they differ in class and layer alone, and in the class alone where the method
 * has masked copies or is at the input
 * @param grow makes the map after each batch, not after the last alone, and what this gives in front of it
 */
export async function* explainInBatches(
  model: Model,
  image: ImageInput,
  asked: readonly ResolvedOptions[],
  { keep, kernels, signal, onProgress, timestamps }: CallOptions,
  grow?: (job: Job, batch: Batch, workspace: Workspace) => Promise<Dispatch[]>,
): AsyncGenerator<BatchDone, Explanation[]> {
  const clock = stopwatch();
  const picture = await readPicture(image);
  throwIfAborted(signal);
  const { gpu } = model;
  const [common] = asked;
  const method = methodOf(common.method);
  const hasPath = takesPath(method);
  const [parts] = await Promise.all([loadParts(common, signal), loadTunings(gpu, signal)]);
  const { masked, classes, byFunction, refusals } = parts;
  const { plan, targets, target, rows } = await planPass(model, asked, { kernels, signal });
  const { batches } = plan;
  gpu.pool.resetPeak();
  const workspace = new Workspace(gpu, 'job');
  const lasting = lastingParts(gpu, targets);
  const endJob = beginJob(model, {
    target: method.needsGradient ? target : undefined,
    samples: rows,
    hasEvenAreas: hasEvenAreas(common),
    cellsStandAlone: cellsStandAlone(common),
  });
  let isFinished = false;
  try {
    if (method.place === 'layer') model.recentMaps.makeRoom(targets.map((name) => bytesToKeep(model, name, common)));
    const jobs = await prepareJobs(model, asked, plan, targets, workspace, lasting, parts);
    const [job] = jobs;
    const input = await prepareInput(model, picture, common.fit, workspace, job.input);
    const sampleDispatches = await prepareSamples(model, job, workspace);
    await model.parameters.prepare(weightsNeeded(model.graph, plan), signal);
    // Meanwhile: a large picture takes a while.
    const checksum = checksumOf(picture.data);
    checksum.catch(() => {}); // awaited below, unless something else fails before
    clock.lap('prepare');

    const progress = progressReporter(sumOf(batches.map(batchRows)), onProgress);
    let done = 0;
    let samples = 0;
    let isStopped = false;
    let gpuMs: number | undefined;
    const run = async (dispatches: readonly Dispatch[], onShareDone?: (share: number) => void) => {
      const ran = await gpu.run(dispatches, { signal, timed: timestamps, onProgress: onShareDone });
      if (ran.gpuMs !== undefined) gpuMs = (gpuMs ?? 0) + ran.gpuMs;
    };
    const taken: KeptClasses[] = [];
    for (const [i, batch] of batches.entries()) {
      const isLast = i === batches.length - 1;
      samples += hasPath ? batch.gradients : batch.noisy;
      const dispatches = [
        ...(i === 0 ? [...input.dispatches, ...sampleDispatches] : []),
        ...(masked && batch.masked ? masked.maskedDispatches(jobs, batch.masked) : forwardBatch(jobs, batch)),
      ];
      if (i === 0 && refusals && common.contrast !== undefined) {
        await run(dispatches.splice(0));
        await refusals.refuseChosenContrast(model, job, common.contrast);
      }
      if (classes) {
        // How many ways back there are depends on the logits.
        await run(dispatches.splice(0));
        const kept = await classes.chooseClasses(job, batch);
        dispatches.push(...classes.classMomentsBatch(jobs, batch, kept));
        taken.push(kept);
      }
      dispatches.push(...backwardBatch(jobs, batch));
      for (const each of jobs) {
        if (grow) dispatches.push(...(await grow(each, batch, workspace)));
        if (!(grow || (isLast && !byFunction))) continue;
        // Each map counts anew.
        gpu.write(each.zeroCells.buffer, Uint32Array.of(0));
        dispatches.push(...mapDispatches(each, samples));
      }
      const rows = batchRows(batch);
      await run(dispatches, (share) => progress(done + Math.floor(share * rows)));
      if (isLast && byFunction) {
        for (const each of jobs) await byFunction(each, samples, signal);
        await gpu.run(
          jobs.flatMap((each) => mapDispatches(each, samples)),
          { signal },
        );
      }
      done += rows;
      // The last batch is done when its map has been read.
      if (!isLast) progress(done);
      const stop = () => {
        isStopped = true;
      };
      yield { samples, batch, jobs, stop };
      if (isStopped) break;
    }
    await gpu.device.queue.onSubmittedWorkDone();
    clock.lap('compute');
    const results = await readResults(jobs);
    clock.lap('read');
    progress(done);
    const made = { kernels: kernelsOf(plan), pictureChecksum: await checksum };
    const mapChecksums = await Promise.all(results.map(({ rectified }) => checksumOf(rectified)));
    const timings = { ...clock.times(), gpu: gpuMs };
    const kept = keptMaps(gpu, jobs, samples, lasting);
    const classSums = {
      keptClasses: classes ? Math.max(...taken.map(({ keptClasses }) => keptClasses)) : undefined,
      droppedMass: Math.max(0, ...taken.map(({ droppedMass }) => droppedMass)),
    };
    const explanations = results.map((raw, i) => {
      const completeness = parts.atInput?.completenessOf(raw, asked[i]);
      const result = { ...raw, ...classSums, completeness };
      const record = { ...made, mapChecksum: mapChecksums[i] };
      const inForce = hasPath ? asked[i] : { ...asked[i], nSamples: samples };
      return finish(model, picture, record, input.view, inForce, jobs[i].weighted, kept[i], result, timings);
    });
    if (keep === undefined) model.recentMaps.add(kept);
    if (keep === false) for (const each of kept) each.release();
    isFinished = true;
    return explanations;
  } catch (error) {
    model.throwIfDisposed(error);
    throw error;
  } finally {
    // Also where the caller leaves before the end.
    if (!isFinished) for (const part of lasting) part.release();
    workspace.release();
    endJob();
  }
}

/** What results ask of the network together, worked out before anything is allocated. */
interface Pass {
  readonly plan: Plan;
  /** Of each result, the node whose output is explained. */
  readonly targets: readonly string[];
  /** The lowest of them, where the way back ends. */
  readonly target: string;
  /** Rows beside the clean picture's. */
  readonly rows: number;
}

/** @throws OptionError, LimitError */
async function planPass(
  model: Model,
  asked: readonly ResolvedOptions[],
  { kernels, signal }: Pick<CallOptions, 'kernels' | 'signal'>,
): Promise<Pass> {
  const { gpu, graph } = model;
  const [common] = asked;
  const method = methodOf(common.method);
  const { place, needsGradient, masks } = method;
  const targets = asked.map(({ layerName }) =>
    place === 'input' ? graph.input.name : model.resolveLayer(layerName).name,
  );
  const [target, ...onTheWay] = graph.nodes.map(({ name }) => name).filter((name) => targets.includes(name));
  await checkDerivatives(graph, target, common, signal);
  const masked = masks && { from: masks === 'input' ? graph.input.name : target, count: graph.shape(target)[0] };
  // The baseline of a path is one more sample, of which only the score is wanted.
  const scoredOnly = takesPath(method) ? 1 : 0;
  const samples = takesPath(method) ? common.steps + scoredOnly : common.nSamples;
  const plan = planExplanation({
    graph,
    convention: model.parameters.convention,
    precision: model.parameters.precision,
    target,
    onTheWay,
    backward: needsGradient,
    rule: method.place === 'input' ? method.rule : undefined,
    layer: place === 'input' ? common.layerName : undefined,
    samples,
    hasEvenAreas: hasEvenAreas(common),
    cellsStandAlone: cellsStandAlone(common),
    scoredOnly,
    masked,
    classes: new Set(asked.map(({ classIndex }) => classIndex)).size,
    fromLogits: SCORE_VARIABLES[common.score] === 'logit',
    eachGradient: weightsLastGradient(common),
    classMoments: needsClassMoments(common),
    batch: common.batch,
    kernels,
    limits: gpu.limits,
    traits: gpu.traits,
    tuner: gpu.tuner,
  });
  return { plan, targets, target, rows: masked?.count ?? samples };
}

/** Passes on samples done, but only when there are more of them. */
function progressReporter(total: number, onProgress: ExplainOptions['onProgress']): (done: number) => void {
  let reported = 0;
  return (done) => {
    if (done > reported) onProgress?.({ done, total });
    reported = Math.max(reported, done);
  };
}

function stopwatch() {
  const started = performance.now();
  let last = started;
  const laps: Record<string, number> = {};
  return {
    lap(stage: 'prepare' | 'compute' | 'read'): void {
      const now = performance.now();
      laps[stage] = now - last;
      last = now;
    },
    times: () => ({ ...laps, total: performance.now() - started }) as unknown as Timings,
  };
}
