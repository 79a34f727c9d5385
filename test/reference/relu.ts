/** ReLU, max(0, x), elementwise. */
import { expectShape, type Tensor, tensor } from './tensor.ts';

export function relu(input: Tensor): Tensor {
  return tensor(
    input.shape,
    input.data.map((value) => Math.max(0, value)),
  );
}

/**
 * What goes back through a ReLU: the gradient, or by guided backpropagation (Springenberg et al. 2015) its positive part
 * where the ReLU was active, or by a deconvnet (Zeiler and Fergus 2014) its positive part everywhere.
 */
export type ReluRule = 'gradient' | 'guided' | 'deconvnet';

/**
 * The gradient before a ReLU. ReLU'(0) = 0, as PyTorch has it.
 *
 * @param input what went into the ReLU, or what came out of it: both are above 0 at the same elements
 */
export function reluGradInput(gradOutput: Tensor, input: Tensor, rule: ReluRule = 'gradient'): Tensor {
  expectShape('gradOutput', gradOutput, input.shape);
  const passes = (gradient: number, activation: number) => {
    switch (rule) {
      case 'gradient':
        return activation > 0;
      case 'guided':
        return activation > 0 && gradient > 0;
      case 'deconvnet':
        return gradient > 0;
    }
  };
  return tensor(
    input.shape,
    gradOutput.data.map((gradient, index) => (passes(gradient, input.data[index]!) ? gradient : 0)),
  );
}
