import { describe, expect, it } from 'vitest';
import { formatTable, formatTargets, row, targetRow, timeRows } from '../../bench/report.ts';

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

describe('rows of the table of targets', () => {
  it('say what was to be reached on this sort of adapter', () => {
    const values = [9, 10, 11];
    expect(targetRow('m1', 'speed against tfjs, block5_conv3', values, { isSoftware: true, note: 'n = 4' })).toEqual({
      id: 'm1',
      measure: 'speed against tfjs, block5_conv3',
      value: 10,
      unit: '×',
      spread: [9, 11],
      runs: 3,
      note: 'n = 4',
      reach: 16,
      least: 8,
      reached: 'at least',
    });
    const onGpu = targetRow('m1', 'speed against tfjs, block5_conv3', values, { isSoftware: false });
    expect(onGpu).toMatchObject({ reach: 8, least: 4, reached: 'reached' });
  });

  it('are none that the table does not have', () => {
    expect(() => targetRow('m1', 'speed', [1], { isSoftware: true })).toThrow('no target m1 "speed"');
  });

  it('are listed in the order of the table, with the reasons for those that are missing', () => {
    const rows = [
      targetRow('m9', 'dispatches, forward and backward', [71], { isSoftware: true, note: '37 + 34' }),
      row('roof', 'load', 'GB/s', [1]),
      targetRow('m4', 'convolutions, share of the roof', [150, 160], { isSoftware: true }),
    ];
    const text = formatTargets(rows, [{ id: 'm6', reason: 'one class at a time' }]);
    expect(text.split('\n').map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
      '  measure  value  spread  reach  least',
      'm4  convolutions, share of the roof  155 %  150 … 160  140  70  reached  2 runs',
      'm9  dispatches, forward and backward  71 per batch  71 … 71  45  60  missed  1 run; 37 + 34',
      'm6 not measured: one class at a time',
    ]);
  });
});
