/**
 * A ReLU's gate and a pooling's winner are decisions: where a value lies within rounding of the switch, no arithmetic of finite
 * precision can be held to one of the two. Here they are taken the other way, to see what hangs on them.
 */
import { type MaxpoolParameters, maxpoolOutputSize } from './maxpool.ts';
import { shapeNchw, type Tensor, tensor } from './tensor.ts';

export interface Doubt {
  /** Rounding, as a share of the layer's largest value. */
  readonly share: number;
  /** Which of the values that are equal to the first, counted from 0, wins; undefined where ties are kept. */
  readonly tieWinner?: number | undefined;
}

/** Values within `share` of the largest of them around zero change their sign. */
export function acrossZero(values: Tensor, { share }: Doubt): Tensor {
  const reach = share * largestOf(values);
  return tensor(
    values.shape,
    values.data.map((value) => (Math.abs(value) <= reach ? -value : value)),
  );
}

/**
 * In each window the largest value and the next smaller one change places where they are near each other. Equal values stay where
 * they are, since their order is a rule, unless ties are broken: then another of them wins. What is zero behind a ReLU is so in all
 * arithmetic.
 *
 * @param input [N, C, H, W]
 */
export function otherWinners(input: Tensor, parameters: MaxpoolParameters, { share, tieWinner }: Doubt): Tensor {
  const { size, stride } = parameters;
  if (stride < size) throw new RangeError('windows that overlap have no winners of their own');
  const [samples, channels, height, width] = shapeNchw('input', input);
  const reach = share * largestOf(input);
  const result = tensor(input.shape, input.data);
  for (let plane = 0; plane < samples * channels; plane++) {
    for (let y = 0; y < maxpoolOutputSize(height, parameters); y++) {
      for (let x = 0; x < maxpoolOutputSize(width, parameters); x++) {
        const cells = Array.from({ length: size * size }, (_, i) => {
          return (plane * height + y * stride + Math.floor(i / size)) * width + x * stride + (i % size);
        });
        const [first, ...others] = cells.toSorted((a, b) => input.data[b]! - input.data[a]! || a - b);
        const largest = input.data[first!]!;
        const equal = tieWinner === undefined || largest === 0 ? [] : others.filter((i) => input.data[i] === largest);
        const next = others.find((i) => input.data[i]! < largest);
        if (equal.length > 0) result.data[equal[tieWinner! % equal.length]!] = largest * (1 + Number.EPSILON);
        else if (next !== undefined && largest - input.data[next]! <= reach) {
          result.data[first!] = input.data[next]!;
          result.data[next] = largest;
        }
      }
    }
  }
  return result;
}

function largestOf({ data }: Tensor): number {
  return data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}
