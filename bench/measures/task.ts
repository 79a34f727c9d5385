/** The whole task on VGG-16, as a user of the library calls it: time per explanation and per sample. */
import type { Bench } from '../bench.ts';
import { interleave, timed } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { type Row, row, timeRows } from '../report.ts';

/** Behind one, and behind all but one of the convolutions: the shortest and the longest way back. */
export const LAYERS = ['block5_conv3', 'block1_conv1'] as const;

export async function measureTask({ gpu, samples, size, effort }: Bench): Promise<Row[]> {
  const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer: LAYERS[0], samples }));
  try {
    const first = {} as Record<(typeof LAYERS)[number], number>;
    const explainLayer = (layerName: string) => timed(() => ours.explainWith({ layerName }));
    for (const layer of LAYERS) first[layer] = (await explainLayer(layer)).ms;
    const times = await interleave(
      { block5_conv3: () => explainLayer('block5_conv3'), block1_conv1: () => explainLayer('block1_conv1') },
      effort,
    );
    return LAYERS.flatMap((layer) => {
      const id = `task.${layer}.n${samples}`;
      const perSample = times[layer].map(({ ms }) => ms / 1000 / samples);
      return [
        ...timeRows(id, times[layer], gpu.adapterInfo),
        row(id, 'per sample', 's', perSample),
        row(id, 'first call', 'ms', [first[layer]]),
      ];
    });
  } finally {
    ours.dispose();
  }
}
