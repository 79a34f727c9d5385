/** From the gradient at the network's input to what each of its values adds to the score, and to a map of its cells. */
import { expectShape, type Tensor, tensor } from './tensor.ts';

/**
 * Gradient × input (Shrikumar et al. 2016), or × (input − baseline).
 *
 * @param baseline a value for each channel; default: zeros
 */
export function timesInput(gradient: Tensor, input: Tensor, baseline?: readonly number[]): Tensor {
  expectShape('gradient', gradient, input.shape);
  const cells = input.data.length / input.shape[0]!;
  return tensor(
    input.shape,
    input.data.map((value, i) => (value - (baseline?.[Math.floor(i / cells)] ?? 0)) * gradient.data[i]!),
  );
}

/**
 * A value for each cell: the greatest absolute value of its channels (Simonyan et al. 2013, section 3.1), or the sum of
 * its channels where that is above zero.
 *
 * @param attribution [C, H, W] @returns [H, W]
 */
export function attributionMap(attribution: Tensor, reduce: 'largest' | 'sum'): Tensor {
  const [channels, height, width] = attribution.shape as readonly number[] as [number, number, number];
  const cells = height * width;
  const map = tensor([height, width]);
  for (let cell = 0; cell < cells; cell++) {
    const values = Array.from({ length: channels }, (_, c) => attribution.data[c * cells + cell]!);
    map.data[cell] =
      reduce === 'largest'
        ? Math.max(...values.map(Math.abs))
        : Math.max(
            0,
            values.reduce((sum, value) => sum + value, 0),
          );
  }
  return map;
}
