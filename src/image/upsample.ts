/** Heat maps as numbers at another size. */
import type { Gpu } from '../gpu/gpu.ts';
import { Workspace } from '../gpu/workspace.ts';
import { upsample } from '../ops/upsample.ts';
import { checkSize } from './map-size.ts';

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
  checkSize('upsample()', size);
  const [maps, height, width] = heat.shape;
  const values = maps * size.height * size.width;
  const workspace = new Workspace(gpu, 'display');
  try {
    const [x, y] = await gpu.guard(async () => [
      workspace.filled('heat maps', heat.data),
      workspace.floats(`${maps === 1 ? 'heat map' : `${maps} heat maps`} of ${size.height} × ${size.width}`, values),
    ]);
    const outSize = { outHeight: size.height, outWidth: size.width };
    await gpu.run([upsample({ maps, height, width }, outSize, { x, y })]);
    const [bytes] = await workspace.read([{ ...y, size: values * 4 }]);
    return { data: new Float32Array(bytes), shape: [maps, size.height, size.width] };
  } finally {
    workspace.release();
  }
}
