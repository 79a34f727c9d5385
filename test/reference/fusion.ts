/** Several maps as one, in float64: each as a share of its maximum, at the size of the largest. */
import { slice, type Tensor, tensor } from './tensor.ts';
import { upsample } from './upsample.ts';

/** @param map [1, h, w] @returns [1, height, width], 0 … 1; of a map that is zero everywhere, zeros */
export function shareOfMaximum(map: Tensor, size: readonly [height: number, width: number]): Tensor {
  const maximum = Math.max(...map.data);
  return upsample(
    tensor(
      map.shape,
      map.data.map((value) => (maximum > 0 ? value / maximum : 0)),
    ),
    size,
  );
}

/** @param maps each [1, h, w] */
export function largestSize(maps: readonly Tensor[]): [height: number, width: number] {
  return [Math.max(...maps.map(({ shape }) => shape[1]!)), Math.max(...maps.map(({ shape }) => shape[2]!))];
}

/** @param maps each [1, h, w] @returns [1, height, width] */
export function fuse(maps: readonly Tensor[], fusion: 'mean' | 'max' | 'product'): Tensor {
  const size = largestSize(maps);
  const shares = maps.map((map) => slice(shareOfMaximum(map, size), 0));
  const result = tensor([1, ...size]);
  for (let cell = 0; cell < result.data.length; cell++) {
    let fused = shares[0]!.data[cell]!;
    for (const { data } of shares.slice(1)) {
      if (fusion === 'max') fused = Math.max(fused, data[cell]!);
      else fused = fusion === 'mean' ? fused + data[cell]! : fused * data[cell]!;
    }
    result.data[cell] = fusion === 'mean' ? fused / shares.length : fused;
  }
  return result;
}
