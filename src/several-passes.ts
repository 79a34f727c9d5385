/** Explanations that cannot share a pass through the network: of several layers, where the rows of a batch depend on the layer. */
import { methodOf } from './custom-method.ts';
import type { Explanation } from './explanation.ts';
import { type ImageInput, readPicture } from './image/picture.ts';
import type { Model } from './model.ts';
import type { CallOptions, ExplainProgress, ResolvedOptions } from './options.ts';
import { sumOf } from './sum.ts';

/**
 * One pass after the other, with the progress of all.
 *
 * @param passes of each, the options in force of its results
 */
export async function explainPasses(
  model: Model,
  image: ImageInput,
  passes: readonly (readonly ResolvedOptions[])[],
  call: CallOptions,
  explainPass: (
    model: Model,
    image: ImageInput,
    asked: readonly ResolvedOptions[],
    call: CallOptions,
  ) => Promise<Explanation[]>,
): Promise<Map<ResolvedOptions, Explanation>> {
  const picture = await readPicture(image);
  const rows = passes.map(([{ method, layerName, nSamples }]) =>
    methodOf(method).masks ? 1 + model.resolveLayer(layerName).shape[0] : 1 + nSamples,
  );
  const total = sumOf(rows);
  const results = new Map<ResolvedOptions, Explanation>();
  let before = 0;
  try {
    for (const [i, pass] of passes.entries()) {
      // The kernels of the first pass are those of all, so that one record tells them, and so is the class that it chooses.
      const first = results.get(passes[0][0]);
      const kernels = call.kernels ?? first?.provenance.kernels;
      const inForce = pass.map((options) => ({ ...options, classIndex: options.classIndex ?? first?.classIndex }));
      const { onProgress } = call;
      const done = before;
      const onPassProgress =
        onProgress && ((progress: ExplainProgress) => onProgress({ done: done + progress.done, total }));
      const explained = await explainPass(model, picture, inForce, { ...call, kernels, onProgress: onPassProgress });
      for (const [j, result] of explained.entries()) results.set(pass[j], result);
      before += rows[i];
    }
  } catch (error) {
    for (const result of results.values()) result.release();
    throw error;
  }
  return results;
}
