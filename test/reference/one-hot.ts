/** The gradient of the class's logit with respect to all logits: where a backward pass begins. */
import { type Tensor, tensor } from './tensor.ts';

/** @param classIndices one per sample @returns [N, classes], 1 at each sample's class and 0 elsewhere */
export function oneHot(classIndices: readonly number[], classCount: number): Tensor {
  const result = tensor([classIndices.length, classCount]);
  classIndices.forEach((classIndex, n) => {
    if (!(classIndex >= 0 && classIndex < classCount)) {
      throw new RangeError(`class ${classIndex} is outside 0 … ${classCount - 1}`);
    }
    result.data[n * classCount + classIndex] = 1;
  });
  return result;
}
