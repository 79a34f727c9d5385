/** The scores of a picture, without an explanation of them. */

import { optionChecks } from './checked-options.ts';
import { throwIfAborted } from './errors.ts';
import { type Prediction, rankPredictions } from './explanation.ts';
import { Workspace } from './gpu/workspace.ts';
import { type ImageInput, readPicture } from './image/picture.ts';
import { prepareInput, runContext } from './job.ts';
import type { Model } from './model.ts';
import { planExplanation } from './network/plan.ts';
import { activationSlice, forwardStep } from './network/run.ts';
import { weightsNeeded } from './network/steps.ts';
import { loadTunings } from './network/tune.ts';
import { softmax } from './ops/softmax.ts';
import type { ClassifyOptions } from './options.ts';
import { beginJob } from './tune.ts';

/** The most probable classes of a picture, best first. */
export async function classify(model: Model, image: ImageInput, options: ClassifyOptions = {}): Promise<Prediction[]> {
  model.throwIfDisposed();
  const { topK, fit } = (await optionChecks(options?.signal)).resolveClassifyOptions(options);
  const picture = await readPicture(image);
  throwIfAborted(options.signal);
  const { gpu, graph, parameters } = model;
  await loadTunings(gpu, options.signal);
  const plan = planExplanation({
    graph,
    convention: parameters.convention,
    precision: parameters.precision,
    target: undefined,
    samples: 0,
    limits: gpu.limits,
    traits: gpu.traits,
    tuner: gpu.tuner,
  });
  gpu.pool.resetPeak();
  const workspace = new Workspace(gpu, 'job');
  const endJob = beginJob(model, { target: undefined, samples: 0 });
  try {
    const [context, probabilities] = await gpu.guard(
      async () => [runContext(model, plan, workspace), workspace.floats('probabilities', model.classCount)] as const,
    );
    const x = activationSlice(context, graph.input.name);
    const logits = activationSlice(context, graph.logits.name);
    const input = await prepareInput(model, picture, fit, workspace, x);
    await parameters.prepare(weightsNeeded(graph, plan), options.signal);
    const forward = plan.steps.flatMap((step) => (step.kind === 'forward' ? forwardStep(context, step, 1) : []));
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
    endJob();
  }
}
