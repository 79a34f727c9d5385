import { describe, expect, it } from 'vitest';
import { formatTable, row } from '../../bench/report.ts';

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
