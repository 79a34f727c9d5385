/** Two-dimensional convolution (cross-correlation, as every network means it) with zero padding. */
import { relu } from './relu.ts';
import { expectShape, shapeNchw, type Tensor, tensor } from './tensor.ts';

export interface Conv2dParameters {
  /** Step of the window in both axes. */
  readonly stride: number;
  /** Rows and columns of zeros on every side. */
  readonly padding: number;
}

export function conv2dOutputSize(inputSize: number, kernelSize: number, { stride, padding }: Conv2dParameters): number {
  return Math.floor((inputSize + 2 * padding - kernelSize) / stride) + 1;
}

/**
 * out[n, o, y, x] = bias[o] + Σ_c Σ_i Σ_j input[n, c, y·stride + i − padding, x·stride + j − padding] · weights[o, c, i, j]
 *
 * @param input [N, C, H, W]
 * @param weights [O, C, kernel height, kernel width]
 * @param bias [O], or undefined for none
 * @returns [N, O, output height, output width], through a ReLU where `parameters.relu` says so
 */
export function conv2d(
  input: Tensor,
  weights: Tensor,
  bias: Tensor | undefined,
  parameters: Conv2dParameters & { readonly relu?: boolean },
): Tensor {
  const [samples, channels, height, width] = shapeNchw('input', input);
  const [outputs, weightChannels, kernelHeight, kernelWidth] = shapeNchw('weights', weights);
  if (weightChannels !== channels) {
    throw new RangeError(`the weights take ${weightChannels} channels, the input has ${channels}`);
  }
  if (bias !== undefined) expectShape('bias', bias, [outputs]);
  const { stride, padding } = parameters;
  const outputHeight = conv2dOutputSize(height, kernelHeight, parameters);
  const outputWidth = conv2dOutputSize(width, kernelWidth, parameters);
  const output = tensor([samples, outputs, outputHeight, outputWidth]);

  for (let n = 0; n < samples; n++) {
    for (let o = 0; o < outputs; o++) {
      for (let y = 0; y < outputHeight; y++) {
        for (let x = 0; x < outputWidth; x++) {
          let sum = bias === undefined ? 0 : bias.data[o]!;
          for (let c = 0; c < channels; c++) {
            for (let i = 0; i < kernelHeight; i++) {
              const row = y * stride + i - padding;
              if (row < 0 || row >= height) continue;
              for (let j = 0; j < kernelWidth; j++) {
                const column = x * stride + j - padding;
                if (column < 0 || column >= width) continue;
                sum +=
                  input.data[((n * channels + c) * height + row) * width + column]! *
                  weights.data[((o * channels + c) * kernelHeight + i) * kernelWidth + j]!;
              }
            }
          }
          output.data[((n * outputs + o) * outputHeight + y) * outputWidth + x] = sum;
        }
      }
    }
  }
  return parameters.relu ? relu(output) : output;
}

/**
 * The gradient of ⟨conv2d(input), gradOutput⟩ with respect to the input: every product of the forward sum, seen from
 * the input's side. Of a convolution with a ReLU, `gradOutput` is the gradient before it (see `reluGradInput`).
 *
 * @param gradOutput [N, O, output height, output width]
 * @param weights [O, C, kernel height, kernel width]
 * @param inputSize [H, W]; several input sizes can share one output size when the stride is above 1
 * @returns [N, C, H, W]
 */
export function conv2dGradInput(
  gradOutput: Tensor,
  weights: Tensor,
  parameters: Conv2dParameters,
  [height, width]: readonly [height: number, width: number],
): Tensor {
  const [samples, , outputHeight, outputWidth] = shapeNchw('gradOutput', gradOutput);
  const [outputs, channels, kernelHeight, kernelWidth] = shapeNchw('weights', weights);
  expectShape('gradOutput', gradOutput, [
    samples,
    outputs,
    conv2dOutputSize(height, kernelHeight, parameters),
    conv2dOutputSize(width, kernelWidth, parameters),
  ]);
  const { stride, padding } = parameters;
  const gradInput = tensor([samples, channels, height, width]);

  for (let n = 0; n < samples; n++) {
    for (let o = 0; o < outputs; o++) {
      for (let y = 0; y < outputHeight; y++) {
        for (let x = 0; x < outputWidth; x++) {
          const gradient = gradOutput.data[((n * outputs + o) * outputHeight + y) * outputWidth + x]!;
          for (let c = 0; c < channels; c++) {
            for (let i = 0; i < kernelHeight; i++) {
              const row = y * stride + i - padding;
              if (row < 0 || row >= height) continue;
              for (let j = 0; j < kernelWidth; j++) {
                const column = x * stride + j - padding;
                if (column < 0 || column >= width) continue;
                gradInput.data[((n * channels + c) * height + row) * width + column]! +=
                  gradient * weights.data[((o * channels + c) * kernelHeight + i) * kernelWidth + j]!;
              }
            }
          }
        }
      }
    }
  }
  return gradInput;
}
