/** ReLU, max(0, x), elementwise. */
import { expectShape, type Tensor, tensor } from './tensor.ts';

export function relu(input: Tensor): Tensor {
  return tensor(
    input.shape,
    input.data.map((value) => Math.max(0, value)),
  );
}

/**
 * The gradient before a ReLU. ReLU'(0) = 0, as PyTorch has it.
 *
 * @param input what went into the ReLU, or what came out of it: both are above 0 at the same elements
 */
export function reluGradInput(gradOutput: Tensor, input: Tensor): Tensor {
  expectShape('gradOutput', gradOutput, input.shape);
  return tensor(
    input.shape,
    gradOutput.data.map((gradient, index) => (input.data[index]! > 0 ? gradient : 0)),
  );
}
