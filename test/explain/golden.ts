/** The golden maps of ../shared, and how a map is held against them, in any runtime. */
import { explain } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import { parseNpy } from '../../src/image/npy.ts';
import type { Model } from '../../src/model.ts';
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

/** Gives a file of the golden folder. */
type Read = (name: string) => Promise<Uint8Array>;

/** Explains the picture of a golden map and compares. */
export async function assertGolden(model: Model, map: GoldenMap, read: Read): Promise<void> {
  const result = await explainGolden(model, map, read);
  const expected = await goldenValues(map, read);
  assertClose(result.map.data, expected.values, { what: map.file, tolerance: TOLERANCE, shape: expected.shape });
  assertEqual(result.map.shape, [1, ...expected.shape]);
  assertEqual(result.classIndex, map.classIndex, 'class');
  assertEqual(result.outcome, 'ok', 'outcome');
  // Given to five digits behind the point.
  assertClose([result.logit], [map.classLogit], { what: 'logit', tolerance: 1e-5 });
}

/** Explains the picture of a golden map as that was made. */
export async function explainGolden(model: Model, map: GoldenMap, read: Read): Promise<Explanation> {
  const { shape: size, bytes } = parseNpy(await read(map.pixels), map.pixels);
  const [height, width] = size as [number, number];
  return explain(
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
}

export async function goldenValues(
  { file }: GoldenMap,
  read: Read,
): Promise<{ values: Float32Array; shape: readonly number[] }> {
  const { bytes, shape } = parseNpy(await read(file), file);
  return { values: new Float32Array(new Uint8Array(bytes).buffer), shape };
}
