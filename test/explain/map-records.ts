/** Results of Dawn with the numbers that other runtimes' maps are held against. Imports nothing of Node. */
import { explain } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import type { Model } from '../../src/model.ts';
import type { ExplainOptions, KernelChoices } from '../../src/options.ts';
import { noisyPicture, smallVgg } from '../network/small-vgg.ts';

/** What the records are of, in every runtime. */
export const VGG = smallVgg({ name: 'vgg16', inputSize: 64, channels: 8, seed: 21 });
export const PICTURE = noisyPicture(3, 70, 50);

export interface MapRecord extends Pick<Explanation, 'provenance'> {
  readonly map: readonly number[];
}

const SMOOTH = { nSamples: 3, stdDev: 0.1, seed: 4 } as const;
const CASES: readonly ExplainOptions[] = [
  { ...SMOOTH },
  { ...SMOOTH, layerName: 'block3_conv2', alphaNumerator: 'first', fit: 'crop' },
  { method: 'grad-cam', layerName: 'block2_conv1', fit: 'pad' },
];
const KERNELS = ['direct', 'winograd-2', 'winograd-4', 'implicit-gemm-32x64'] as const;

/** Each case with each family of kernels in turn, and as the adapter would have it. */
export async function makeRecords(model: Model): Promise<MapRecord[]> {
  const convolutions = model.graph.layers.filter(({ op }) => op === 'conv2d');
  const all = (name: string): KernelChoices =>
    Object.fromEntries(convolutions.map((layer) => [layer.name, { forward: name, 'grad-input': name }]));
  const calls = CASES.flatMap((options) => [options, ...KERNELS.map((name) => ({ ...options, kernels: all(name) }))]);
  const records: MapRecord[] = [];
  for (const options of calls) {
    const { map, provenance } = await explain(model, PICTURE, options);
    records.push({ map: Array.from(map.data), provenance });
  }
  return records;
}
