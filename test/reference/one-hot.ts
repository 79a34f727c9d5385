/** The gradient of the class's logit with respect to all logits: where a backward pass begins. */
import { type Tensor, tensor } from './tensor.ts';

/** The difference of two logits is one of its own: one run of the network with S_a − S_b, and its gradient, in the place of a's. */
export function againstClass<Run extends { readonly logits: Tensor; gradient(classIndex: number): Tensor }>(
  run: Run,
  classIndex: number,
  contrast: number | undefined,
): Run {
  if (contrast === undefined) return run;
  const minus = (a: Tensor, b: Tensor) =>
    tensor(
      a.shape,
      a.data.map((value, i) => value - b.data[i]!),
    );
  const logits = tensor(run.logits.shape, run.logits.data);
  logits.data[classIndex]! -= run.logits.data[contrast]!;
  const gradient = (j: number) =>
    j === classIndex ? minus(run.gradient(classIndex), run.gradient(contrast)) : run.gradient(j);
  return { ...run, logits, gradient };
}

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
