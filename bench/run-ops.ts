/** Times the rows of bench/ops.ts and holds them against the adapter's roofs. */
import type { Bench, Session } from './bench.ts';
import { countedMs, type Duration, interleave } from './measure.ts';
import { OPS, type OpCase } from './ops.ts';
import { type Row, row, timeRows } from './report.ts';
import type { Roofs } from './roofs.ts';
import { Workbench } from './workbench.ts';

/** Shorter runs would show the fixed cost of a submit, not the kernel. */
const ENOUGH_MS = 30;

/** All cases of one op in turn. */
export async function runOp(bench: Bench, session: Session, stem: string): Promise<Row[]> {
  const { gpu, samples, effort } = bench;
  const roofs = await session.roofs();
  const workbench = new Workbench(gpu, samples);
  try {
    // Inside the error scopes: what the GPU refuses to allocate is an error here.
    const cases = await gpu.guard(async () => OPS[stem]!(workbench));
    const timers: Record<string, () => Promise<Duration>> = {};
    for (const { name, dispatches } of cases) timers[name] = await workbench.timer(dispatches, ENOUGH_MS);
    const times = await interleave(timers, effort);
    return cases.flatMap((each) => rowsOf(bench, roofs, `ops.${stem}.${each.name}`, each, times[each.name]!));
  } finally {
    workbench.release();
  }
}

function rowsOf({ gpu, clock }: Bench, roofs: Roofs, id: string, op: OpCase, times: readonly Duration[]): Row[] {
  const rows = timeRows(id, times, gpu.adapterInfo);
  // A nanosecond is 1e-6 ms: work / ns is in G per second.
  const perSecond = (work: number) => times.map((time) => work / (countedMs(time, clock) * 1e6));
  const share = (speeds: readonly number[], roof: number) => speeds.map((speed) => (100 * speed) / roof);
  const { flops, bytes } = op;
  if (flops !== undefined) {
    const speeds = perSecond(flops);
    rows.push(row(id, 'arithmetic', 'GFLOP/s', speeds), row(id, 'of the roof', '%', share(speeds, roofs.multiplyAdd)));
  }
  if (bytes !== undefined) {
    const speeds = perSecond(bytes);
    rows.push(row(id, 'traffic', 'GB/s', speeds), row(id, 'of the bandwidth', '%', share(speeds, roofs.bandwidth)));
  }
  return rows;
}
