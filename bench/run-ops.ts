/** Times the rows of bench/ops.ts. */

import type { Gpu } from '../src/gpu/gpu.ts';
import { type Duration, type Effort, enoughRepeats, interleave } from './measure.ts';
import { OPS, type OpCase } from './ops.ts';
import { type Row, row, timeRows } from './report.ts';
import { Workbench } from './workbench.ts';

/** Shorter runs would show the fixed cost of a submit, not the kernel. */
const ENOUGH_MS = 30;

/** All cases of one op in turn. */
export async function runOp(gpu: Gpu, stem: string, samples: number, effort: Effort): Promise<Row[]> {
  const bench = new Workbench(gpu, samples);
  try {
    // Inside the error scopes: what the GPU refuses to allocate is an error here.
    const cases = await gpu.guard(async () => OPS[stem]!(bench));
    const contestants: Record<string, () => Promise<Duration>> = {};
    for (const { name, dispatches } of cases) {
      const run = (repeats: number) => bench.time(Array.from({ length: repeats }, () => dispatches).flat());
      // The first run compiles.
      await run(1);
      const repeats = await enoughRepeats(async (count) => (await run(count)).ms, ENOUGH_MS);
      contestants[name] = async () => {
        const { ms, cpuMs } = await run(repeats);
        return { ms: ms / repeats, cpuMs: cpuMs / repeats };
      };
    }
    const times = await interleave(contestants, effort);
    return cases.flatMap((each) => rowsOf(gpu, `ops.${stem}.${each.name}`, each, times[each.name]!));
  } finally {
    bench.release();
  }
}

function rowsOf(gpu: Gpu, id: string, { flops, bytes }: OpCase, times: readonly Duration[]): Row[] {
  const rows = timeRows(id, times, gpu.adapterInfo);
  // A nanosecond is 1e-6 ms: work / ns is in G per second.
  const perSecond = (work: number) => times.map(({ ms }) => work / (ms * 1e6));
  if (flops !== undefined) rows.push(row(id, 'arithmetic', 'GFLOP/s', perSecond(flops)));
  if (bytes !== undefined) rows.push(row(id, 'traffic', 'GB/s', perSecond(bytes)));
  return rows;
}
