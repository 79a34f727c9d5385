/** Cases and data for the tests of convolutions, whichever kernels compute them. */
import type { KernelTraits } from '../../src/gpu/gpu.ts';
import { type Conv2dShape, conv2dOutput, packedIndex, packedLength } from '../../src/ops/conv2d.ts';
import { toFloat16 } from '../../src/weights/float16.ts';
import { roundToFloat16 } from '../reference/float16.ts';
import { random } from './random.ts';

export type Conv2dCase = readonly [samples: number, shape: Conv2dShape];

/** A layer as VGG's: 3 × 3, stride and padding 1. */
export function layerCase(
  samples: number,
  inChannels: number,
  outChannels: number,
  height: number,
  width: number,
): Conv2dCase {
  return [samples, { inChannels, outChannels, height, width, kernel: 3, stride: 1, padding: 1 }];
}

/** A software adapter without subgroups, as Deno has: its kernels run on every adapter. */
export const WITHOUT_SUBGROUPS: KernelTraits = { subgroupSize: 0, isSoftware: true };

export interface Conv2dData {
  /** [samples, inChannels, height, width]. */
  readonly x: Float32Array;
  /** In the order of the oracle: [outChannels, inChannels, kernel, kernel]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  /** Of the output's shape. */
  readonly gradY: Float32Array;
}

/** Normal deviates, the same for the same case. */
export function conv2dData(samples: number, shape: Conv2dShape): Conv2dData {
  const { inChannels, outChannels, height, width, kernel } = shape;
  const out = conv2dOutput(shape);
  const draw = random(samples + 31 * inChannels + 1009 * outChannels + 7 * height + width);
  return {
    x: draw.normals(samples * inChannels * height * width),
    weights: draw.normals(outChannels * inChannels * kernel ** 2),
    bias: draw.normals(outChannels),
    gradY: draw.normals(samples * outChannels * out.height * out.width),
  };
}

/** The weights rounded to float16, packed, in that format and in float32. */
export function packHalves(shape: Conv2dShape, weights: Float32Array): { halves: Uint32Array; rounded: Float32Array } {
  const rounded = packWeights(shape, weights.map(roundToFloat16));
  return { halves: new Uint32Array(toFloat16(rounded as Float32Array<ArrayBuffer>).buffer), rounded };
}

/** From the oracle's order to that of the kernels. */
export function packWeights(shape: Conv2dShape, weights: Float32Array): Float32Array {
  const taps = shape.kernel ** 2;
  const packed = new Float32Array(packedLength(shape));
  weights.forEach((weight, index) => {
    const row = Math.floor(index / taps);
    const [o, i] = [Math.floor(row / shape.inChannels), row % shape.inChannels];
    packed[packedIndex(shape, o, i, index % taps)] = weight;
  });
  return packed;
}
