/** From 8-bit pixels to a network's input: fit, antialiased resize, channel order, mean and scale. */
import { type Tensor, tensor } from './tensor.ts';

export interface PreprocessParameters {
  /** Of the network's input, square. */
  readonly inputSize: number;
  /** 'squash': the whole picture; 'crop': shorter side to 256/224 of the input, centre crop; 'pad': longer side to it. */
  readonly fit: 'squash' | 'crop' | 'pad';
  readonly channelOrder: 'rgb' | 'bgr';
  /** value = (pixel · scale − mean[c]) / std[c], c counted in the network's own channel order. */
  readonly scale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** What the picture is resized to, and where its top left corner lies in the input (negative: cut off). */
export interface Placement {
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly left: number;
}

/** Where a fit puts the picture. Halves are rounded up. */
export function placement(
  fit: PreprocessParameters['fit'],
  [height, width]: readonly [height: number, width: number],
  inputSize: number,
): Placement {
  if (fit === 'squash') return { height: inputSize, width: inputSize, top: 0, left: 0 };
  const shorter = Math.min(height, width);
  const longer = Math.max(height, width);
  if (fit === 'crop') {
    const target = (256 / 224) * inputSize;
    const resized = (side: number) => Math.round((side * target) / shorter);
    const [resizedHeight, resizedWidth] = [resized(height), resized(width)];
    return {
      height: resizedHeight,
      width: resizedWidth,
      top: -Math.floor((resizedHeight - inputSize) / 2),
      left: -Math.floor((resizedWidth - inputSize) / 2),
    };
  }
  // A very long picture still keeps one row of pixels.
  const resized = (side: number) => Math.max(1, Math.round((side * inputSize) / longer));
  const [resizedHeight, resizedWidth] = [resized(height), resized(width)];
  return {
    height: resizedHeight,
    width: resizedWidth,
    top: Math.floor((inputSize - resizedHeight) / 2),
    left: Math.floor((inputSize - resizedWidth) / 2),
  };
}

/**
 * One axis of Pillow's BILINEAR (ImagingResample's coefficients): a triangle around each output pixel's centre, one
 * input pixel wide on either side when enlarging and as wide as an output pixel when shrinking, normalised to sum 1.
 *
 * @returns for each output pixel its weights over all input pixels, [output][input]
 */
export function resizeWeights(inputSize: number, outputSize: number): Float64Array[] {
  const scale = inputSize / outputSize;
  const support = Math.max(1, scale);
  return Array.from({ length: outputSize }, (_, output) => {
    const centre = (output + 0.5) * scale;
    const weights = Float64Array.from({ length: inputSize }, (_, input) =>
      Math.max(0, 1 - Math.abs((input + 0.5 - centre) / support)),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  });
}

/** Resizes planes [C, H, W], horizontally and then vertically, without rounding in between. */
export function resize(planes: Tensor, [height, width]: readonly [height: number, width: number]): Tensor {
  const [channels, inputHeight, inputWidth] = planes.shape as readonly number[] as [number, number, number];
  const acrossWeights = resizeWeights(inputWidth, width);
  const across = tensor([channels, inputHeight, width]);
  for (let row = 0; row < channels * inputHeight; row++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let i = 0; i < inputWidth; i++) sum += acrossWeights[x]![i]! * planes.data[row * inputWidth + i]!;
      across.data[row * width + x] = sum;
    }
  }
  const downWeights = resizeWeights(inputHeight, height);
  const resized = tensor([channels, height, width]);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let i = 0; i < inputHeight; i++) {
          sum += downWeights[y]![i]! * across.data[(c * inputHeight + i) * width + x]!;
        }
        resized.data[(c * height + y) * width + x] = sum;
      }
    }
  }
  return resized;
}

/**
 * The network's input. Alpha is ignored; what a padded picture leaves free is 0, the mean.
 *
 * @param pixels RGBA, row-major, [height, width, 4], 0 … 255
 * @returns [3, inputSize, inputSize]
 */
export function preprocess(
  pixels: ArrayLike<number>,
  [height, width]: readonly [height: number, width: number],
  parameters: PreprocessParameters,
): Tensor {
  if (pixels.length !== height * width * 4) {
    throw new RangeError(`${height} × ${width} RGBA pixels are ${height * width * 4} values, not ${pixels.length}`);
  }
  const { inputSize, fit, channelOrder, scale, mean, std } = parameters;
  const planes = tensor([3, height, width]);
  for (let c = 0; c < 3; c++) {
    const colour = channelOrder === 'rgb' ? c : 2 - c;
    for (let p = 0; p < height * width; p++) planes.data[c * height * width + p] = pixels[p * 4 + colour]!;
  }
  const place = placement(fit, [height, width], inputSize);
  const resized = resize(planes, [place.height, place.width]);
  const input = tensor([3, inputSize, inputSize]);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < inputSize; y++) {
      for (let x = 0; x < inputSize; x++) {
        const row = y - place.top;
        const column = x - place.left;
        if (row < 0 || row >= place.height || column < 0 || column >= place.width) continue;
        const value = resized.data[(c * place.height + row) * place.width + column]!;
        input.data[(c * inputSize + y) * inputSize + x] = (value * scale - mean[c]!) / std[c]!;
      }
    }
  }
  return input;
}
