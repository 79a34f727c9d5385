/** Bilinear enlargement with half-pixel centres (align_corners = false), the edges held. */
import { elementCount, type Tensor, tensor } from './tensor.ts';

/** The two input cells that surround an output cell, clamped to the edge, and how far it lies towards the second. */
function neighbours(
  outputIndex: number,
  inputSize: number,
  outputSize: number,
): [low: number, high: number, t: number] {
  const centre = ((outputIndex + 0.5) * inputSize) / outputSize - 0.5;
  const below = Math.floor(centre);
  const clamp = (index: number) => Math.min(Math.max(index, 0), inputSize - 1);
  return [clamp(below), clamp(below + 1), centre - below];
}

/** @param input […, h, w] @returns […, height, width] */
export function upsample(input: Tensor, [height, width]: readonly [height: number, width: number]): Tensor {
  const planeAxes = input.shape.slice(0, -2);
  const [inputHeight, inputWidth] = input.shape.slice(-2) as [number, number];
  const output = tensor([...planeAxes, height, width]);
  for (let plane = 0; plane < elementCount(planeAxes); plane++) {
    const at = (row: number, column: number) => input.data[(plane * inputHeight + row) * inputWidth + column]!;
    for (let y = 0; y < height; y++) {
      const [top, bottom, ty] = neighbours(y, inputHeight, height);
      for (let x = 0; x < width; x++) {
        const [left, right, tx] = neighbours(x, inputWidth, width);
        output.data[(plane * height + y) * width + x] =
          (1 - ty) * ((1 - tx) * at(top, left) + tx * at(top, right)) +
          ty * ((1 - tx) * at(bottom, left) + tx * at(bottom, right));
      }
    }
  }
  return output;
}
