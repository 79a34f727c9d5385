/** What kind of map came out; a result is never NaN, and an empty one says why it is empty. */
import { OverflowError } from '../errors.ts';

/**
 * 'ok'; 'empty': the map is zero everywhere; 'negative-only': every contribution was negative, so that the ReLU left
 * nothing; 'degenerate': every α was set to zero for want of a positive denominator.
 */
export type Outcome = 'ok' | 'empty' | 'negative-only' | 'degenerate';

/** @param signed the map before its ReLU */
export function outcomeOf(signed: Float32Array, alpha: { zeroCells: number; cells: number }): Outcome {
  if (alpha.cells > 0 && alpha.zeroCells === alpha.cells) return 'degenerate';
  let smallest = 0;
  let largest = 0;
  for (const value of signed) {
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
  }
  if (largest > 0) return 'ok';
  return smallest < 0 ? 'negative-only' : 'empty';
}

/** @throws OverflowError for a value that would make whatever is computed from it meaningless. */
export function checkFinite(
  what: string,
  values: Float32Array,
  advice = 'float32 overflows on the way. The weights are too large: scale them down',
): void {
  const broken = values.find((value) => !Number.isFinite(value));
  if (broken === undefined) return;
  throw new OverflowError(`${what} came out as ${broken}: ${advice}.`);
}
