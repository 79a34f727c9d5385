/** Global average pooling: the mean of each feature map. */
import { expectShape, shapeNchw, type Tensor, tensor } from './tensor.ts';

/** @param input [N, C, H, W] @returns [N, C] */
export function globalAveragePool(input: Tensor): Tensor {
  const [samples, channels, height, width] = shapeNchw('input', input);
  const output = tensor([samples, channels]);
  for (let n = 0; n < samples; n++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) sum += input.data[((n * channels + c) * height + y) * width + x]!;
      }
      output.data[n * channels + c] = sum / (height * width);
    }
  }
  return output;
}

/** @param gradOutput [N, C] @returns [N, C, H, W] */
export function globalAveragePoolGradInput(
  gradOutput: Tensor,
  [height, width]: readonly [height: number, width: number],
): Tensor {
  const [samples, channels] = gradOutput.shape as readonly number[] as [number, number];
  expectShape('gradOutput', gradOutput, [samples, channels]);
  const gradInput = tensor([samples, channels, height, width]);
  for (let n = 0; n < samples; n++) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          gradInput.data[((n * channels + c) * height + y) * width + x] =
            gradOutput.data[n * channels + c]! / (height * width);
        }
      }
    }
  }
  return gradInput;
}
