/** The kernels of a model's explanations, measured. */

import { optionChecks } from './checked-options.ts';
import type { Tuning } from './gpu/contest.ts';
import type { Model } from './model.ts';
import { type TunedJob, type TuneOptions, tuneJob, tuneWhenIdle } from './network/tune.ts';
import { checkOptionNames } from './option-names.ts';
import { cellsStandAlone, type ExplainOptions, hasEvenAreas, type ResolvedOptions } from './options.ts';

/** Which explanations to time the kernels for. */
export interface TuneKernelsOptions extends TuneOptions, Pick<ExplainOptions, 'layerName' | 'nSamples'> {}

/**
 * Times the kernels that explanations of a layer with n samples can be made with, on this device, and keeps the timings
 * for later ones, also in other processes or pages where there is a tuningStore. With `tune: 'full'` the library does
 * so by itself between explanations.
 *
 * Kernels round differently: a map made with others may differ, as README.md says; see `Provenance.kernels`.
 *
 * @returns every timing that the choices rest on
 * @throws OptionError, also for a Gpu with tune 'off'; AbortError, DeviceLostError, DisposedError
 */
export async function tuneKernels(model: Model, options: TuneKernelsOptions = {}): Promise<Tuning[]> {
  model.throwIfDisposed();
  checkOptionNames('tuneKernels()', options, {
    layerName: true,
    nSamples: true,
    signal: true,
    onProgress: true,
    again: true,
  });
  const { layerName, nSamples, ...rest } = options;
  const job = (await optionChecks(options.signal)).resolveOptions({ layerName, nSamples }, model);
  return tuneJob(model.gpu, jobOf(model, askedBy(job)), rest);
}

/** An explanation's part of a TunedJob. */
type Asked = Omit<TunedJob, 'graph' | 'convention' | 'precision'>;

/** What the kernels of an explanation at a layer depend on. */
export function askedBy(options: ResolvedOptions): Asked {
  return {
    target: options.layerName,
    samples: options.nSamples,
    hasEvenAreas: hasEvenAreas(options),
    cellsStandAlone: cellsStandAlone(options),
  };
}

/**
 * Nothing is timed while a job runs.
 *
 * @returns ends it; with tune 'full', what it lacked is timed from then on, when the GPU is idle
 */
export function beginJob(model: Model, asked: Asked): () => void {
  const leave = model.gpu.idle.enter();
  return () => {
    tuneWhenIdle(model.gpu, jobOf(model, asked));
    leave();
  };
}

function jobOf({ graph, parameters }: Model, asked: Asked): TunedJob {
  const { convention, precision } = parameters;
  return { graph, convention, precision, ...asked };
}
