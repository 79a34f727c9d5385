import { describe, expect, it } from 'vitest';
import { compareRows, formatComparison, parseReport } from '../../bench/compare.ts';
import { type Report, row, targetRow } from '../../bench/report.ts';

const adapter = { vendor: 'mesa', architecture: '', device: '', description: 'llvmpipe', isFallback: true };
const report = (rows: Report['rows'], rest: Partial<Report> = {}): Report => ({
  adapter,
  runtime: 'Node, 2 cores',
  date: '2026-01-01T00:00:00.000Z',
  rows,
  skipped: [],
  ...rest,
});

describe('two reports', () => {
  const time = (values: number[]) => row('ops.relu', 'time', 'ms', values);
  const speed = (values: number[]) => row('ops.relu', 'traffic', 'GB/s', values);
  const change = (before: ReturnType<typeof row>, now: ReturnType<typeof row>) =>
    compareRows([before], [now])[0]!.change;

  it('are compared row by row', () => {
    const [only, ...others] = compareRows([time([10]), row('a', 'time', 'ms', [1])], [time([5]), speed([1])]);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ id: 'ops.relu', measure: 'time', ratio: 0.5, change: 'better' });
  });

  it('know of which units less is better', () => {
    expect(change(time([9, 10, 11]), time([12, 13]))).toBe('worse');
    expect(change(speed([9, 10, 11]), speed([12, 13]))).toBe('better');
    expect(change(speed([12, 13]), speed([9, 10, 11]))).toBe('worse');
    const scaling = (values: number[]) => targetRow('m5', 't(n = 50) / t(n = 1)', values, { isSoftware: true });
    expect(change(scaling([40]), scaling([30]))).toBe('better');
    const batches = (count: number) => row('memory.block5_conv3.n50', 'batches', '', [count]);
    expect(change(batches(13), batches(9))).toBe('better');
  });

  it('call a share of a whole neither', () => {
    const share = (percent: number) => row('profile.block1_conv1.n4.map', 'share', '% of all', [percent]);
    expect(change(share(10), share(20))).toBe('changed');
  });

  it('call nothing better or worse that lies within the spread, or closer than noise', () => {
    expect(change(time([9, 10, 20]), time([15, 16, 17]))).toBe('same');
    expect(change(time([100]), time([101]))).toBe('same');
    expect(change(time([100]), time([104]))).toBe('worse');
  });

  it('have no ratio to zero', () => {
    expect(compareRows([time([0])], [time([5])])[0]).toMatchObject({ ratio: undefined, change: 'worse' });
  });

  it('are shown with what would make the ratios meaningless', () => {
    const before = report([time([10, 10]), speed([4])]);
    expect(formatComparison(before, report([time([20, 20]), speed([4])])).split('\n')).toEqual([
      'ops.relu  time     10 → 20 ms  × 2  worse',
      'ops.relu  traffic  4 → 4 GB/s  × 1',
      '2 rows in both: 0 better, 1 worse, the others the same within their spread.',
    ]);
    const noted = (note?: string) => report([row('m6', 'CPU', 'ms', [10], note)]);
    expect(formatComparison(noted('n = 1'), noted('n = 4'))).toContain('then: n = 1; now: n = 4');
    expect(formatComparison(noted('n = 1'), noted('n = 1'))).not.toContain('then:');
    const more = report([time([10, 10]), row('ops.map', 'time', 'ms', [1])]);
    expect(formatComparison(before, more)).toMatch(/spread\. Rows that the earlier report has not: 1\.$/);
    expect(formatComparison(before, report([]))).toBe(
      'The reports have no row in common: ids name the measure, the layer and n.',
    );
    const withTfjs = (version: string) => report([time([10])], { versions: { tfjs: version, webgpu: '0.6.2' } });
    expect(formatComparison(withTfjs('4.22.0'), withTfjs('4.23.0'))).toMatch(
      /^Other tfjs: then 4.22.0, now 4.23.0.\nops/,
    );
    expect(formatComparison(before, withTfjs('4.23.0'))).toMatch(/^ops/);
    const elsewhere = report([], { adapter: { ...adapter, description: 'a GPU' }, runtime: 'Node, 8 cores' });
    expect(formatComparison(before, elsewhere)).toMatch(
      /Other adapters: then mesa llvmpipe, now mesa a GPU.\nOther machines: .*2 cores, now .*8 cores/,
    );
  });
});

describe('a report in a file', () => {
  it('is read as it was written', () => {
    const written = report([row('a', 'time', 'ms', [1, 2])], { skipped: [{ id: 'm6', reason: 'not yet' }] });
    expect(parseReport(JSON.stringify(written))).toEqual(written);
  });

  it('may be of a time before anything was skipped', () => {
    expect(parseReport(JSON.stringify({ adapter, rows: [] })).skipped).toEqual([]);
  });

  it('is refused when it is something else', () => {
    for (const text of ['{}', '{"rows":[]}', '[]']) expect(() => parseReport(text)).toThrow('no adapter and rows');
    expect(() => parseReport('rows')).toThrow(SyntaxError);
  });
});
