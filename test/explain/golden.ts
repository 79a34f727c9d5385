/** The golden maps of ../shared, and how a map is held against them, in any runtime. */
import { explain } from '../../src/explain.ts';
import type { Model } from '../../src/model.ts';
import { parseNpy } from '../../src/node/npy.ts';
import { assertClose, assertEqual } from '../harness/assertions.ts';

/** What index.json says. */
export interface Golden {
  readonly noise: { readonly seed: number; readonly sample: number; first8: number[]; seed2_37: number[] };
  readonly maps: readonly GoldenMap[];
}

export interface GoldenMap {
  readonly file: string;
  readonly pixels: string;
  readonly layer: string;
  readonly classIndex: number;
  readonly classLogit: number;
  readonly method?: 'gradcam';
  readonly samples?: number;
  readonly std?: number;
  readonly seed?: number;
}

/** float64 against float32 with direct convolutions. */
const TOLERANCE = 1e-4;
/** Enough for a busy machine. */
export const GOLDEN_TIMEOUT_MS = 600_000;

/** Grad-CAM and Smooth Grad-CAM++ of the first picture: every stage is in them, and software adapters take minutes. */
export function essentialMaps({ maps }: Golden): GoldenMap[] {
  return maps.filter(({ pixels, method, samples }) => {
    return pixels === maps[0]!.pixels && (method === 'gradcam' || samples === 5);
  });
}

/**
 * Explains the picture of a golden map and compares.
 *
 * @param read gives a file of the golden folder
 */
export async function assertGolden(
  model: Model,
  map: GoldenMap,
  read: (name: string) => Promise<Uint8Array>,
): Promise<void> {
  const { shape: size, bytes } = parseNpy(await read(map.pixels), map.pixels);
  const [height, width] = size as [number, number];
  const result = await explain(
    model,
    { data: bytes, width, height },
    {
      method: map.method === 'gradcam' ? 'grad-cam' : 'smooth-grad-cam++',
      layerName: map.layer,
      nSamples: map.samples ?? 0,
      stdDev: map.std,
      seed: map.seed,
    },
  );
  const expected = parseNpy(await read(map.file), map.file);
  const values = new Float32Array(new Uint8Array(expected.bytes).buffer);
  assertClose(result.map.data, values, { what: map.file, tolerance: TOLERANCE, shape: expected.shape });
  assertEqual(result.map.shape, [1, ...expected.shape]);
  assertEqual(result.classIndex, map.classIndex, 'class');
  assertEqual(result.outcome, 'ok', 'outcome');
  // Given to five digits behind the point.
  assertClose([result.logit], [map.classLogit], { what: 'logit', tolerance: 1e-5 });
}
