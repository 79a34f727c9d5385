/** m6: what more classes cost. */
import type { Bench } from '../bench.ts';
import { countedMs, interleave, timed } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { type Row, targetRow, timeRows } from '../report.ts';

const CLASSES = [1, 2, 3, 4, 5];
const SAMPLES = { gpu: 25, software: 4 };

export async function measureClasses({ gpu, clock, size, effort }: Bench): Promise<Row[]> {
  const { isSoftware } = clock;
  const samples = isSoftware ? SAMPLES.software : SAMPLES.gpu;
  const layer = 'block5_conv3';
  const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer, samples }));
  try {
    const contestants = {
      one: () => timed(() => ours.explainClasses(samples, CLASSES.slice(0, 1))),
      five: () => timed(() => ours.explainClasses(samples, CLASSES)),
    };
    // The first call compiles.
    await contestants.five();
    const times = await interleave(contestants, effort);
    const ratios = times.five.map((time, i) => countedMs(time, clock) / countedMs(times.one[i]!, clock));
    return [
      targetRow('m6', 't(5 classes) / t(1 class)', ratios, { isSoftware, note: `n = ${samples}, ${layer}` }),
      ...timeRows(`classes.${layer}.n${samples}.1`, times.one, gpu.adapterInfo),
      ...timeRows(`classes.${layer}.n${samples}.5`, times.five, gpu.adapterInfo),
    ];
  } finally {
    ours.dispose();
  }
}
