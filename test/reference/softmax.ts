/** Softmax over the classes. */
import { type Tensor, tensor } from './tensor.ts';

/** p[n, c] = e^(S[n, c]) / Σ_j e^(S[n, j]); the largest logit is taken off first, which changes nothing but overflow. */
export function softmax(logits: Tensor): Tensor {
  const [samples, classes] = logits.shape as readonly number[] as [number, number];
  const probabilities = tensor(logits.shape);
  for (let n = 0; n < samples; n++) {
    const row = logits.data.subarray(n * classes, (n + 1) * classes);
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const exponentials = row.map((logit) => Math.exp(logit - largest));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    probabilities.data.set(
      exponentials.map((value) => value / sum),
      n * classes,
    );
  }
  return probabilities;
}
