/** Max-pooling without padding; a tie goes to the first cell of the window in row-major order, as in PyTorch. */
import { expectShape, shapeNchw, type Tensor, tensor } from './tensor.ts';

export interface MaxpoolParameters {
  /** Height and width of the window. */
  readonly size: number;
  readonly stride: number;
}

export function maxpoolOutputSize(inputSize: number, { size, stride }: MaxpoolParameters): number {
  return Math.floor((inputSize - size) / stride) + 1;
}

/** The flat index into `input` of every output's largest element, in the output's order. */
export function maxpoolArgmax(input: Tensor, parameters: MaxpoolParameters): number[] {
  const [samples, channels, height, width] = shapeNchw('input', input);
  const { size, stride } = parameters;
  const outputHeight = maxpoolOutputSize(height, parameters);
  const outputWidth = maxpoolOutputSize(width, parameters);
  const winners: number[] = [];
  for (let plane = 0; plane < samples * channels; plane++) {
    for (let y = 0; y < outputHeight; y++) {
      for (let x = 0; x < outputWidth; x++) {
        let winner = (plane * height + y * stride) * width + x * stride;
        for (let i = 0; i < size; i++) {
          for (let j = 0; j < size; j++) {
            const candidate = (plane * height + y * stride + i) * width + x * stride + j;
            if (input.data[candidate]! > input.data[winner]!) winner = candidate;
          }
        }
        winners.push(winner);
      }
    }
  }
  return winners;
}

/** @param input [N, C, H, W] @returns [N, C, output height, output width]; rows and columns left over are not read */
export function maxpool(input: Tensor, parameters: MaxpoolParameters): Tensor {
  const [samples, channels, height, width] = shapeNchw('input', input);
  return tensor(
    [samples, channels, maxpoolOutputSize(height, parameters), maxpoolOutputSize(width, parameters)],
    maxpoolArgmax(input, parameters).map((winner) => input.data[winner]!),
  );
}

/** Each output's gradient goes to the element that won its window; windows that overlap add up. */
export function maxpoolGradInput(gradOutput: Tensor, input: Tensor, parameters: MaxpoolParameters): Tensor {
  expectShape('gradOutput', gradOutput, maxpool(input, parameters).shape);
  const gradInput = tensor(input.shape);
  maxpoolArgmax(input, parameters).forEach((winner, output) => {
    gradInput.data[winner]! += gradOutput.data[output]!;
  });
  return gradInput;
}
