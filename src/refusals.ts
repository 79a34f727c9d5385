/** Calls that turn out to be impossible once the network, or the picture's class, is known. */
import { classTitle } from './class-names.ts';
import { type AnyMethod, methodName } from './custom-method.ts';
import { OptionError } from './errors.ts';
import type { BufferSlice } from './gpu/buffers.ts';
import type { Model } from './model.ts';
import type { GraphNode } from './network/graph.ts';

/** @param others methods that can be had there */
export function curvedBehind(
  layer: string,
  curved: GraphNode,
  method: AnyMethod,
  others: readonly string[],
): OptionError {
  return new OptionError(
    'method',
    methodName(method),
    `one without second and third derivatives (${others.join(', ')}): these are exact only where all layers behind the ` +
      `explained one are piecewise linear, and behind ${layer} ${curved.name} (${curved.op}) is not`,
  );
}

/**
 * Refuses a contrast that is the class which forwardBatch() has chosen. Logits beyond float32 choose none: they are refused with the result.
 *
 * @throws OptionError
 */
export async function refuseChosenContrast(
  { gpu, labels, classCount }: Model,
  { classIndex, cleanLogits }: { readonly classIndex: BufferSlice; readonly cleanLogits: BufferSlice },
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
