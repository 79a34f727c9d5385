/** Heat maps as numbers at another size. */
import { OptionError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { upsample } from '../ops/upsample.ts';

/**
 * Enlarges maps [maps, height, width] bilinearly with half-pixel centres (align_corners = false).
 *
 * @throws OptionError for a size that is no size, LimitError
 */
export async function upsampleMaps(
  gpu: Gpu,
  heat: { data: Float32Array; shape: readonly [maps: number, height: number, width: number] },
  size: { height: number; width: number },
): Promise<{ data: Float32Array; shape: readonly [maps: number, height: number, width: number] }> {
  for (const side of ['height', 'width'] as const) {
    if (!Number.isInteger(size[side]) || size[side] < 1)
      throw new OptionError(side, size[side], 'a whole number above 0');
  }
  const [maps, height, width] = heat.shape;
  const outputBytes = maps * size.height * size.width * 4;
  const { pool } = gpu;
  const x = pool.acquire('heat maps', heat.data.byteLength);
  const y = pool.acquire('enlarged heat maps', outputBytes);
  try {
    gpu.write(x, heat.data);
    const outSize = { outHeight: size.height, outWidth: size.width };
    await gpu.run([
      upsample({ maps, height, width }, outSize, {
        // The pool may lend a larger buffer than the device can bind.
        x: { buffer: x, size: heat.data.byteLength },
        y: { buffer: y, size: outputBytes },
      }),
    ]);
    const data = await gpu.readFloats({ buffer: y, size: outputBytes });
    return { data, shape: [maps, size.height, size.width] };
  } finally {
    pool.release(x);
    pool.release(y);
  }
}
