import { describe, expect, it } from 'vitest';
import { formatTable, row, timeRows } from '../../bench/report.ts';

describe('rows', () => {
  it('hold the median and the spread of the runs', () => {
    expect(row('ops.relu', 'time', 'ms', [3, 1, 2])).toEqual({
      id: 'ops.relu',
      measure: 'time',
      value: 2,
      unit: 'ms',
      spread: [1, 3],
      runs: 3,
    });
  });
});

describe('times', () => {
  const times = [
    { ms: 10, cpuMs: 19 },
    { ms: 12, cpuMs: 20 },
    { ms: 50, cpuMs: 21 },
  ];
  const adapter = { vendor: 'v', architecture: 'a', device: 'd', description: 'an adapter' };

  it('come with CPU time where the adapter is software', () => {
    const [wall, cpu] = timeRows('id', times, { ...adapter, isFallback: true }, 'ours');
    expect(wall).toMatchObject({ measure: 'ours time', value: 12, spread: [10, 50] });
    expect(cpu).toMatchObject({ measure: 'ours CPU', value: 20, spread: [19, 21] });
  });

  it('are those of the clock alone on a GPU', () => {
    const rows = timeRows('id', times, { ...adapter, isFallback: false });
    expect(rows.map(({ measure }) => measure)).toEqual(['time']);
  });
});

describe('the table', () => {
  it('has a line for each id, in columns', () => {
    const table = formatTable([
      row('ops.relu', 'time', 'ms', [1.2345, 1.5, 1]),
      row('ops.relu', 'traffic', 'GB/s', [8, 8, 8]),
      row('ops.softmax', 'time', 'ms', [1234.5, 0.012345]),
    ]);
    expect(table.split('\n')).toEqual([
      'ops.relu     time 1.23 ms (1 … 1.5)       traffic 8 GB/s  3 runs',
      'ops.softmax  time 617 ms (0.0123 … 1235)  2 runs',
    ]);
  });

  it('is empty without rows', () => {
    expect(formatTable([])).toBe('');
  });
});
