/** Score-CAM's masks and masked inputs (Wang et al. 2020). */
import { slice, type Tensor, tensor } from './tensor.ts';
import { upsample } from './upsample.ts';

/**
 * H_k = s(Up(A_k)), s(V) = (V − min V) / (max V − min V); undefined for a map that is constant.
 *
 * @param activations A, [K, h, w]
 * @returns K masks [height, width]
 */
export function activationMasks(
  activations: Tensor,
  size: readonly [height: number, width: number],
): (Tensor | undefined)[] {
  return Array.from({ length: activations.shape[0]! }, (_, k) => {
    const map = slice(activations, k);
    if (map.data.every((value) => value === map.data[0])) return undefined;
    const { shape, data } = upsample(map, size);
    const lowest = data.reduce((a, b) => Math.min(a, b));
    const highest = data.reduce((a, b) => Math.max(a, b));
    return tensor(
      shape,
      data.map((value) => (value - lowest) / (highest - lowest)),
    );
  });
}

/** x ⊙ H in every channel; without a mask nothing of x is left. @param x [C, height, width] */
export function maskInput(x: Tensor, mask: Tensor | undefined): Tensor {
  const places = x.shape[1]! * x.shape[2]!;
  return tensor(
    x.shape,
    x.data.map((value, i) => value * (mask?.data[i % places] ?? 0)),
  );
}
