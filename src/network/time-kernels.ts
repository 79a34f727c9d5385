/** The answer to a question of the tuner. */
import { LimitError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { measureCase } from '../gpu/tuning-case.ts';
import type { Conv2dQuestion } from '../ops/conv2d.tuning.ts';
import { conv2dCase } from '../ops/conv2d.tuning-case.ts';

export { conv2dKernelTexts } from '../ops/conv2d.tuning-case.ts';

/** Times the candidates, and keeps how they did. */
export async function answer(gpu: Gpu, question: Conv2dQuestion, signal: AbortSignal | undefined): Promise<void> {
  try {
    await gpu.tuner.keep(await measureCase(gpu, conv2dCase(gpu.traits, question), { signal }));
  } catch (error) {
    // Without room for its tensors a choice stays with the rule; the others may still be timed.
    if (!(error instanceof LimitError)) throw error;
  }
}
