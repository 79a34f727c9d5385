/** Fully connected layer. */
import { relu } from './relu.ts';
import { expectShape, type Tensor, tensor } from './tensor.ts';

/**
 * out[n, o] = bias[o] + Σ_i input[n, i] · weights[i, o]
 *
 * @param input [N, I]
 * @param weights [I, O]
 * @param bias [O], or undefined for none
 * @returns [N, O], through a ReLU where `options.relu` says so
 */
export function dense(
  input: Tensor,
  weights: Tensor,
  bias: Tensor | undefined,
  options: { readonly relu?: boolean } = {},
): Tensor {
  const [inputs, outputs] = weights.shape as readonly number[] as [number, number];
  const samples = input.shape[0]!;
  expectShape('input', input, [samples, inputs]);
  if (bias !== undefined) expectShape('bias', bias, [outputs]);
  const output = tensor([samples, outputs]);
  for (let n = 0; n < samples; n++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias === undefined ? 0 : bias.data[o]!;
      for (let i = 0; i < inputs; i++) sum += input.data[n * inputs + i]! * weights.data[i * outputs + o]!;
      output.data[n * outputs + o] = sum;
    }
  }
  return options.relu ? relu(output) : output;
}

/** @param gradOutput [N, O], before the ReLU where there is one @param weights [I, O] @returns [N, I] */
export function denseGradInput(gradOutput: Tensor, weights: Tensor): Tensor {
  const [inputs, outputs] = weights.shape as readonly number[] as [number, number];
  const samples = gradOutput.shape[0]!;
  expectShape('gradOutput', gradOutput, [samples, outputs]);
  const gradInput = tensor([samples, inputs]);
  for (let n = 0; n < samples; n++) {
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let o = 0; o < outputs; o++) sum += gradOutput.data[n * outputs + o]! * weights.data[i * outputs + o]!;
      gradInput.data[n * inputs + i] = sum;
    }
  }
  return gradInput;
}
