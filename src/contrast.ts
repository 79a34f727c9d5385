/** The contrast of a class that is not known before the picture has been classified. */
import { classTitle } from './class-names.ts';
import { OptionError } from './errors.ts';
import type { Job } from './job.ts';
import type { Model } from './model.ts';

/**
 * Of the class that forwardBatch() has chosen. Logits beyond float32 choose none: they are refused with the result.
 *
 * @throws OptionError
 */
export async function refuseChosen(
  { gpu, labels, classCount }: Model,
  { classIndex, cleanLogits }: Job,
  contrast: number,
): Promise<void> {
  const [index, logits] = await gpu.read([
    { ...classIndex, size: 4 },
    { ...cleanLogits, size: 4 * classCount },
  ]);
  const [chosen] = new Uint32Array(index);
  if (chosen !== contrast || !new Float32Array(logits).every(Number.isFinite)) return;
  const title = classTitle(chosen, labels?.[chosen]);
  throw new OptionError(
    'contrast',
    contrast,
    `another class than the explained one, which here is the most probable, ${title}: against itself nothing is left of it`,
  );
}
