/** The straight line from a baseline to the network's input (Sundararajan et al. 2017). */
import { type Tensor, tensor } from './tensor.ts';

/** b + share · (x − b) for an input [C, H, W] and a baseline of one value for each channel. */
export function pointOnPath(input: Tensor, baseline: readonly number[], share: number): Tensor {
  const cells = input.data.length / baseline.length;
  return tensor(
    input.shape,
    input.data.map((value, i) => {
      const start = baseline[Math.floor(i / cells)]!;
      return start + share * (value - start);
    }),
  );
}

/** The middles of `steps` equal parts of the line: where the midpoint rule takes the gradient. */
export function midpoints(input: Tensor, baseline: readonly number[], steps: number): Tensor[] {
  return Array.from({ length: steps }, (_, k) => pointOnPath(input, baseline, (k + 0.5) / steps));
}
