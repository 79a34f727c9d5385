/** Feature maps as one row per sample: in the order of memory (chw: PyTorch), or channels last (hwc: TensorFlow). */
import { expectShape, shapeNchw, type Tensor, tensor } from './tensor.ts';

export type FlattenOrder = 'chw' | 'hwc';

/** Where element [c, y, x] of a [C, H, W] sample goes in its row. */
function rowIndex(
  order: FlattenOrder,
  [c, y, x]: readonly [number, number, number],
  [channels, height, width]: readonly [number, number, number],
): number {
  return order === 'chw' ? (c * height + y) * width + x : (y * width + x) * channels + c;
}

/** @param input [N, C, H, W] @returns [N, C·H·W] */
export function flatten(input: Tensor, order: FlattenOrder): Tensor {
  const [samples, channels, height, width] = shapeNchw('input', input);
  const rowLength = channels * height * width;
  const output = tensor([samples, rowLength]);
  for (let n = 0; n < samples; n++) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          output.data[n * rowLength + rowIndex(order, [c, y, x], [channels, height, width])] =
            input.data[((n * channels + c) * height + y) * width + x]!;
        }
      }
    }
  }
  return output;
}

/** @param gradOutput [N, C·H·W] @param inputShape [C, H, W] @returns [N, C, H, W] */
export function flattenGradInput(
  gradOutput: Tensor,
  order: FlattenOrder,
  [channels, height, width]: readonly [channels: number, height: number, width: number],
): Tensor {
  const samples = gradOutput.shape[0]!;
  const rowLength = channels * height * width;
  expectShape('gradOutput', gradOutput, [samples, rowLength]);
  const gradInput = tensor([samples, channels, height, width]);
  for (let n = 0; n < samples; n++) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          gradInput.data[((n * channels + c) * height + y) * width + x] =
            gradOutput.data[n * rowLength + rowIndex(order, [c, y, x], [channels, height, width])]!;
        }
      }
    }
  }
  return gradInput;
}
