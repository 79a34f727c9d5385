import { describe, expect, it } from 'vitest';
import { readArguments, UsageError } from '../../bench/arguments.ts';
import { OPS } from '../../bench/ops.ts';

const read = (...args: string[]) => readArguments(args, Object.keys(OPS));

describe("the bench's arguments", () => {
  it('measure everything by default', () => {
    expect(read()).toMatchObject({ ops: Object.keys(OPS), task: true, peer: true, samples: 4, jsonFile: undefined });
  });

  it('choose sections and single ops', () => {
    expect(read('--only', 'peer, ops.relu')).toMatchObject({ ops: ['relu'], task: false, peer: true });
    expect(read('--only', 'ops')).toMatchObject({ ops: Object.keys(OPS), task: false, peer: false });
  });

  it('take less effort with --quick', () => {
    expect(read().effort.runs).toBeGreaterThanOrEqual(5);
    expect(read('--quick').effort.runs).toBeLessThan(read().effort.runs);
    expect(read('--quick').effort.budgetMs).toBeLessThan(read().effort.budgetMs);
  });

  it('say what is wrong and what is allowed', () => {
    const wrong: [string[], RegExp][] = [
      [['--only', 'opps'], /"opps"; allowed: ops, task, peer, ops\./],
      [['--only', 'ops.nothing'], /"ops\.nothing"/],
      [['--only', ''], /--only/],
      [['--samples', '0'], /--samples.*"0".*1 to 999/],
      [['--samples', '2.5'], /--samples/],
      [['--fast'], /--fast/],
      [['--json'], /--json/],
      [['ops'], /ops/],
    ];
    for (const [args, message] of wrong) {
      expect(() => read(...args)).toThrow(UsageError);
      expect(() => read(...args)).toThrow(message);
    }
  });
});
