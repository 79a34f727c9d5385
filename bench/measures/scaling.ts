/** m5: how the time grows with n. */
import { type Bench, type Session, Unmeasured } from '../bench.ts';
import { countedMs, interleave, timed } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { type Row, targetRow, timeRows } from '../report.ts';

const MANY = 50;
/** On a software adapter 50 samples take minutes. */
const SOFTWARE_RUNS = 2;

export async function measureScaling({ gpu, clock, quick, size, effort }: Bench, session: Session): Promise<Row[]> {
  const { isSoftware } = clock;
  if (isSoftware && quick && !session.asked.has('m5')) {
    throw new Unmeasured(
      `${MANY} samples take minutes on a software adapter; ask for it by --only m5, or without --quick`,
    );
  }
  const layer = 'block5_conv3';
  const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer, samples: MANY }));
  try {
    await ours.explain(1);
    const runs = isSoftware ? Math.min(effort.runs, quick ? 1 : SOFTWARE_RUNS) : effort.runs;
    const contestants = { one: () => timed(() => ours.explain(1)), many: () => timed(() => ours.explain(MANY)) };
    const times = await interleave(contestants, { ...effort, runs });
    const ratios = times.many.map((time, i) => countedMs(time, clock) / countedMs(times.one[i]!, clock));
    return [
      targetRow('m5', `t(n = ${MANY}) / t(n = 1)`, ratios, { isSoftware, note: layer }),
      ...timeRows(`scaling.${layer}.n1`, times.one, gpu.adapterInfo),
      ...timeRows(`scaling.${layer}.n${MANY}`, times.many, gpu.adapterInfo),
    ];
  } finally {
    ours.dispose();
  }
}
