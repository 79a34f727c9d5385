/** Where the time of a batch goes, kernel by kernel. */
import type { Dispatch } from '../../src/gpu/encoder.ts';
import { kernelLabel } from '../../src/gpu/kernel.ts';
import type { Bench } from '../bench.ts';
import { countedMs, type Duration, interleave } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { recordRuns } from '../recorder.ts';
import { type Row, row, timeRows } from '../report.ts';
import { Workbench } from '../workbench.ts';

/** The longest way back: every kernel of the network runs. */
const LAYER = 'block1_conv1';

export async function measureProfile(bench: Bench): Promise<Row[]> {
  const { gpu, clock, samples, size, effort } = bench;
  const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer: LAYER, samples }));
  try {
    const runs = await recordRuns(gpu, () => ours.explain());
    const groups = groupByKernel(runs.flatMap(({ dispatches }) => dispatches));
    const workbench = new Workbench(gpu, samples);
    const contestants: Record<string, () => Promise<Duration>> = {};
    for (const [name, dispatches] of groups) contestants[name] = () => workbench.time(dispatches);
    const times = await interleave(contestants, effort);
    const totals = Array.from({ length: times[groups.keys().next().value!]!.length }, (_, round) =>
      [...groups.keys()].reduce((sum, name) => sum + countedMs(times[name]![round]!, clock), 0),
    );
    const rows = [...groups].map(([name, dispatches]) => {
      const own = times[name]!;
      const id = `profile.${LAYER}.n${samples}.${name}`;
      const shares = own.map((time, round) => (100 * countedMs(time, clock)) / totals[round]!);
      return [
        row(id, 'share', '% of all', shares),
        ...timeRows(id, own, gpu.adapterInfo),
        row(id, 'dispatches', '', [dispatches.length]),
      ];
    });
    return rows.sort(([a], [b]) => b!.value - a!.value).flat();
  } finally {
    ours.dispose();
  }
}

/** Kernels of one label, told apart by the shape that they work on where their uniforms say it. */
function groupByKernel(dispatches: readonly Dispatch[]): Map<string, Dispatch[]> {
  const groups = new Map<string, Dispatch[]>();
  for (const dispatch of dispatches) {
    const name = `${kernelLabel(dispatch.kernel)}${shapeText(dispatch)}`;
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name)!.push(dispatch);
  }
  return groups;
}

/** ' 64→128 at 112×112'. */
function shapeText({ uniforms }: Dispatch): string {
  const { in_channels, out_channels, height, width } = uniforms;
  const channels = in_channels !== undefined && out_channels !== undefined ? ` ${in_channels}→${out_channels}` : '';
  return height !== undefined && width !== undefined ? `${channels} at ${height}×${width}` : channels;
}
