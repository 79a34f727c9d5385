/** m6: what more classes cost. */
import { OptionError } from '../../src/errors.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { type Bench, Unmeasured } from '../bench.ts';
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
    // Its type says one class; whether several are taken shows when they are asked for.
    const several = { classIndex: CLASSES } as unknown as ExplainOptions;
    await ours.explain(1, several).catch((error: unknown) => {
      if (error instanceof OptionError) throw new Unmeasured('explain() does not take several classes at once');
      throw error;
    });
    await ours.explain(samples);
    const times = await interleave(
      { one: () => timed(() => ours.explain(samples)), five: () => timed(() => ours.explain(samples, several)) },
      effort,
    );
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
