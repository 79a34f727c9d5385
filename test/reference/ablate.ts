/** Ablation-CAM's copies of feature maps. */
import { stack, type Tensor, tensor } from './tensor.ts';

/** @param activations [K, …] @returns [K, K, …]: copy k has map k set to zero */
export function ablations(activations: Tensor): Tensor {
  const maps = activations.shape[0]!;
  const cells = activations.data.length / maps;
  return stack(
    Array.from({ length: maps }, (_, k) =>
      tensor(activations.shape, activations.data.slice().fill(0, k * cells, (k + 1) * cells)),
    ),
  );
}
