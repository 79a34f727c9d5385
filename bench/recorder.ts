/** Watches what the library asks of a Gpu. */
import type { Dispatch } from '../src/gpu/encoder.ts';
import type { Gpu } from '../src/gpu/gpu.ts';

export interface RecordedRun {
  readonly dispatches: readonly Dispatch[];
  readonly submits: number;
}

/**
 * The runs of a Gpu during `work`.
 *
 * @param options.dry nothing is computed: buffers are made and read as they are, no kernel runs
 */
export async function recordRuns(
  gpu: Gpu,
  work: () => Promise<unknown>,
  { dry = false }: { dry?: boolean } = {},
): Promise<RecordedRun[]> {
  const runs: RecordedRun[] = [];
  const { run } = gpu;
  gpu.run = async (dispatches, options) => {
    const result = dry ? { submits: 0, gpuMs: undefined } : await run.call(gpu, dispatches, options);
    runs.push({ dispatches, submits: result.submits });
    return result;
  };
  try {
    await work();
  } finally {
    gpu.run = run;
  }
  return runs;
}

/** The op that a dispatch belongs to: the first word of its shader's name. */
export function opOf({ kernel }: Dispatch): string {
  return kernel.source.name.split('.')[0]!;
}
