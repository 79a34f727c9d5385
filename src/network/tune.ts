/** Timing the kernels that a network's explanations ask for: on demand, or between jobs. */
import { OptionError, untilAborted } from '../errors.ts';
import type { Tuning } from '../gpu/contest.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { TuningSubject } from '../gpu/tuning.ts';
import { onDemand } from '../on-demand.ts';
import type { Conv2dQuestion } from '../ops/conv2d.tuning.ts';
import { ALL_CONV2D_VARIANTS } from '../ops/conv2d.variants.ts';
import type { Precision } from '../precision.ts';
import { VERSION } from '../version.ts';
import { checksumOf } from '../weights/sha256.ts';
import type { Convention, Graph } from './graph.ts';
import { kernelQuestions } from './steps.ts';

/** An explanation, as far as its kernels depend on it. */
export interface TunedJob {
  readonly graph: Graph;
  readonly convention: Convention;
  readonly precision?: Precision;
  /** Node whose feature maps are explained; undefined for the forward pass alone. */
  readonly target: string | undefined;
  /** n */
  readonly samples: number;
  /** As in PlanRequest. */
  readonly hasEvenAreas?: boolean;
  /** As in PlanRequest. */
  readonly cellsStandAlone?: boolean;
}

/** How far the timing has come. */
export interface TuneProgress {
  /** Shapes timed, of those that have to be. */
  readonly done: number;
  /** Shapes that have to be timed. */
  readonly total: number;
}

export interface TuneOptions {
  /** Stops the timing with an AbortError; what has been timed is kept. */
  signal?: AbortSignal;
  /** Called after each shape. */
  onProgress?: (progress: TuneProgress) => void;
  /** Times also what has timings already. Default false. */
  again?: boolean;
}

/**
 * Makes the kept timings available to gpu.tuner, before the first choice.
 *
 * @throws OptionError where the Gpu was asked to force a kernel that does not exist; LoadError, AbortError
 */
export async function loadTunings(gpu: Gpu, signal?: AbortSignal): Promise<void> {
  const { forced } = gpu.tuner;
  if (forced !== undefined && !(ALL_CONV2D_VARIANTS as readonly string[]).includes(forced)) {
    throw new OptionError('forceVariant', forced, `one of ${ALL_CONV2D_VARIANTS.join(', ')}`);
  }
  await untilAborted(
    gpu.tuner.load(() => tuningSubject(gpu)),
    signal,
  );
}

/** Limits that candidates or their speed depend on. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
] as const;

async function tuningSubject(gpu: Gpu): Promise<TuningSubject> {
  const { vendor, architecture, device, description } = gpu.adapterInfo;
  const named = {
    adapter: [vendor, architecture, device, description].filter(Boolean).join(', ') || 'an adapter without a name',
    library: `gradcam-webgpu ${VERSION}`,
  };
  const limits = LIMITS.map((name) => gpu.limits[name]);
  const kernels = async () => digestOf(await (await timing()).conv2dKernelTexts(gpu.traits));
  return { ...named, digest: await digestOf(JSON.stringify({ ...named, traits: gpu.traits, limits })), kernels };
}

function digestOf(text: string): Promise<string> {
  return checksumOf(new TextEncoder().encode(text));
}

/** What times kernels, which explanations do without. */
function timing(signal?: AbortSignal) {
  return onDemand('what times kernels', () => import('./time-kernels.ts'), signal);
}

/**
 * Times the kernels of a job, and keeps the timings: from now on choices are made by them.
 *
 * @returns the timings of all its choices, those made earlier included
 * @throws OptionError for a Gpu with tune 'off', AbortError, DeviceLostError, LoadError
 */
export async function tuneJob(gpu: Gpu, job: TunedJob, options: TuneOptions = {}): Promise<Tuning[]> {
  if (gpu.tuner.mode === 'off') {
    throw new OptionError(
      'tune',
      'off',
      "'cached' or 'full' for a Gpu that is to be tuned: with 'off' no timing counts",
    );
  }
  await loadTunings(gpu, options.signal);
  const leave = gpu.idle.enter();
  try {
    const questions = jobQuestions(gpu, job);
    const toTime = questions.filter((question) => options.again || gpu.tuner.isOpen(question));
    for (const [done, question] of toTime.entries()) {
      options.onProgress?.({ done, total: toTime.length });
      await (await timing(options.signal)).answer(gpu, question, options.signal);
    }
    options.onProgress?.({ done: toTime.length, total: toTime.length });
    return gpu.tuner.tunings.filter(({ key }) => questions.some((question) => question.key === key));
  } finally {
    leave();
  }
}

/** With tune 'full', leaves what has no timings yet for when the GPU is idle. */
export function tuneWhenIdle(gpu: Gpu, job: TunedJob): void {
  if (gpu.tuner.mode !== 'full') return;
  for (const question of jobQuestions(gpu, job).filter((each) => gpu.tuner.isOpen(each))) {
    gpu.idle.add(question.key, async (signal) => (await timing(signal)).answer(gpu, question, signal));
  }
}

/** The choices of a job among several kernels, the costliest first: they gain the most. */
export function jobQuestions(gpu: Gpu, job: TunedJob): Conv2dQuestion[] {
  const questions = kernelQuestions({ ...job, limits: gpu.limits, traits: gpu.traits });
  const cost = ({ shape }: Conv2dQuestion) => shape.inChannels * shape.outChannels * shape.height * shape.width;
  return questions.filter(({ candidates }) => candidates.length > 1).sort((a, b) => cost(b) - cost(a));
}
