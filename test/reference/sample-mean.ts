/** The mean over the samples, such as of their feature maps (`activations: 'mean'`). */
import { type Tensor, tensor } from './tensor.ts';

/** @param samples [n, …] @returns […] */
export function sampleMean(samples: Tensor): Tensor {
  const [count, ...shape] = samples.shape as readonly number[] as [number, ...number[]];
  const mean = tensor(shape);
  for (let m = 0; m < count; m++) {
    for (let e = 0; e < mean.data.length; e++) mean.data[e]! += samples.data[m * mean.data.length + e]! / count;
  }
  return mean;
}
