/**
 * An explanation, in call order: picture, noisy copies, forward to the layer and to the score, backward to the layer,
 * running moments of the gradient, weights, map. Between the picture's upload and the map's read-back everything stays
 * on the GPU. The formulas are those of Omeiza et al. 2019 and its predecessors; see src/ops for each.
 */
import { throwIfAborted } from './errors.ts';
import { type Explanation, finish, type Prediction, rankPredictions, type Timings } from './explanation.ts';
import { Workspace } from './gpu/workspace.ts';
import { type ImageInput, readPicture } from './image/picture.ts';
import {
  batchDispatches,
  mapDispatches,
  prepareInput,
  prepareJob,
  rangeDispatch,
  readResult,
  runContext,
} from './job.ts';
import type { Model } from './model.ts';
import { convolutionsBehind, planExplanation } from './network/plan.ts';
import { activationSlice, forwardStep } from './network/run.ts';
import { softmax } from './ops/softmax.ts';
import { type ClassifyOptions, type ExplainOptions, resolveClassifyOptions, resolveOptions } from './options.ts';
import { sha256Of } from './weights/sha256.ts';

/**
 * Explains why the model gives a picture its class.
 *
 * @throws OptionError, ImageError, LimitError (one sample does not fit the device), OverflowError,
 * DeviceLostError, DisposedError, AbortError
 */
export async function explain(model: Model, image: ImageInput, options: ExplainOptions = {}): Promise<Explanation> {
  model.throwIfDisposed();
  const clock = stopwatch();
  const resolved = resolveOptions(options, model);
  const { signal, onProgress } = options;
  const picture = await readPicture(image);
  throwIfAborted(signal);
  const { gpu } = model;
  const layer = model.resolveLayer(resolved.layerName);
  const plan = planExplanation({
    graph: model.graph,
    convention: model.parameters.convention,
    target: layer.name,
    samples: resolved.nSamples,
    batch: resolved.batch,
    limits: gpu.limits,
  });
  gpu.pool.resetPeak();
  const workspace = new Workspace(gpu, 'job');
  try {
    const job = await prepareJob(model, resolved, plan, workspace);
    const input = await prepareInput(model, picture, resolved.fit, workspace, job.input);
    await model.parameters.prepareGradients(convolutionsBehind(model.graph, layer.name));
    // Meanwhile: a large picture takes a while.
    const checksum = sha256Of(picture.data);
    checksum.catch(() => {}); // awaited below, unless something else fails before
    clock.lap('prepare');

    const progress = progressReporter(resolved.nSamples + 1, onProgress);
    let done = 0;
    let gpuMs: number | undefined;
    for (const [i, batch] of plan.batches.entries()) {
      const isLast = i === plan.batches.length - 1;
      const dispatches = [
        ...(i === 0 ? [...input.dispatches, rangeDispatch(job)] : []),
        ...batchDispatches(job, batch),
        ...(isLast ? mapDispatches(job) : []),
      ];
      const rows = batch.noisy + batch.clean;
      const run = await gpu.run(dispatches, {
        signal,
        timed: options.timestamps,
        onProgress: (share) => progress(done + Math.floor(share * rows)),
      });
      if (run.gpuMs !== undefined) gpuMs = (gpuMs ?? 0) + run.gpuMs;
      done += rows;
      // The last batch is done when its map has been read.
      if (!isLast) progress(done);
    }
    await gpu.device.queue.onSubmittedWorkDone();
    clock.lap('compute');
    const result = await readResult(job);
    clock.lap('read');
    progress(done);
    const identified = { ...picture, checksum: `sha256-${await checksum}` };
    return finish(model, identified, input.view, resolved, layer.shape, result, { ...clock.times(), gpu: gpuMs });
  } catch (error) {
    model.throwIfDisposed(error);
    throw error;
  } finally {
    workspace.release();
  }
}

/** The paper's call: Smooth Grad-CAM++ with the paper's parameter names, which are those of `explain`. */
export function gradCamPlusSmooth(
  model: Model,
  image: ImageInput,
  options: Omit<ExplainOptions, 'method'> = {},
): Promise<Explanation> {
  return explain(model, image, { ...options, method: 'smooth-grad-cam++' });
}

/** The most probable classes of a picture, best first. */
export async function classify(model: Model, image: ImageInput, options: ClassifyOptions = {}): Promise<Prediction[]> {
  model.throwIfDisposed();
  const { topK, fit } = resolveClassifyOptions(options);
  const picture = await readPicture(image);
  throwIfAborted(options.signal);
  const { gpu, graph, parameters } = model;
  const plan = planExplanation({
    graph,
    convention: parameters.convention,
    target: undefined,
    samples: 0,
    limits: gpu.limits,
  });
  gpu.pool.resetPeak();
  const workspace = new Workspace(gpu, 'job');
  try {
    const [context, probabilities] = await gpu.guard(
      async () =>
        [runContext(model, plan, undefined, workspace), workspace.floats('probabilities', model.classCount)] as const,
    );
    const x = activationSlice(context, graph.input.name);
    const logits = activationSlice(context, graph.logits.name);
    const input = await prepareInput(model, picture, fit, workspace, x);
    const forward = plan.steps.flatMap((step) =>
      step.kind === 'forward' ? forwardStep(context, step.node, 1, step.pool) : [],
    );
    await gpu.run([...input.dispatches, ...forward, softmax(model.classCount, 1, { logits, probabilities })], {
      signal: options.signal,
    });
    const bytes = await gpu.read([
      { ...logits, size: 4 * model.classCount },
      { ...probabilities, size: 4 * model.classCount },
    ]);
    const [logitValues, probabilityValues] = bytes.map((b) => new Float32Array(b));
    return rankPredictions(model, logitValues, probabilityValues, topK);
  } catch (error) {
    model.throwIfDisposed(error);
    throw error;
  } finally {
    workspace.release();
  }
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
