import { describe, expect, it } from 'vitest';
import { HELP, readArguments, UsageError } from '../../bench/arguments.ts';
import { OPS } from '../../bench/ops.ts';
import { SECTIONS } from '../../bench/sections.ts';
import { MEASURE_IDS } from '../../bench/targets.ts';

const read = (...args: string[]) => readArguments(args);
const names = (...args: string[]) => read(...args).sections.map(({ name }) => name);

describe("the bench's arguments", () => {
  it('measure everything by default', () => {
    expect(read()).toMatchObject({ sections: SECTIONS, samples: 4, quick: false, jsonFile: undefined });
  });

  it('choose sections, groups, measures and single ops', () => {
    expect(names('--only', 'ops.relu, roof')).toEqual(['roof', 'ops.relu']);
    expect(names('--only', 'ops')).toEqual(Object.keys(OPS).map((stem) => `ops.${stem}`));
    expect(names('--only', 'tfjs')).toEqual(['tfjs-block5', 'tfjs-block1']);
    expect(names('--only', 'm1,m9')).toEqual(['memory', 'tfjs-block5']);
    expect(names('--only', 'scaling,memory,task')).toEqual(['memory', 'task', 'samples', 'classes']);
  });

  it.each(MEASURE_IDS)('find who measures %s', (id) => {
    expect(read('--only', id).sections).toHaveLength(1);
  });

  it('remember what was asked for by name', () => {
    expect([...read('--only', 'm5').asked]).toEqual(['m5']);
    expect([...read().asked]).toEqual([]);
  });

  it('name files', () => {
    const files = read('--json', 'a.json', '--compare', 'b.json', '--torch', 'c.json', '--plot', 'd.svg');
    expect(files).toMatchObject({ jsonFile: 'a.json', compareFile: 'b.json', torchFile: 'c.json', plotFile: 'd.svg' });
  });

  it('measure the roofs for a plot', () => {
    expect(names('--only', 'ops.dense', '--plot', 'd.svg')).toEqual(['roof', 'ops.dense']);
  });

  it('are explained, with all that --only knows', () => {
    for (const word of SECTIONS.flatMap(({ answersTo }) => answersTo)) {
      expect(HELP).toMatch(new RegExp(`^ +(or some of them: )?([\\w.-]+, )*${word}(,| |$)`, 'm'));
    }
  });

  it('take less effort with --quick', () => {
    expect(read().effort.runs).toBeGreaterThanOrEqual(5);
    expect(read('--quick').effort.runs).toBeLessThan(read().effort.runs);
    expect(read('--quick').effort.budgetMs).toBeLessThan(read().effort.budgetMs);
  });

  it('say what is wrong and what is allowed', () => {
    const wrong: [string[], RegExp][] = [
      [['--only', 'opps'], /"opps"; allowed: roof, memory, .*m11.*, ops\./],
      [['--only', 'ops.nothing'], /"ops\.nothing"/],
      [['--only', ''], /--only/],
      [['--samples', '0'], /--samples.*"0".*1 to 999/],
      [['--samples', '2.5'], /--samples/],
      [['--fast'], /--fast.*--help/],
      [['--json'], /--json/],
      [['ops'], /ops/],
    ];
    for (const [args, message] of wrong) {
      expect(() => read(...args)).toThrow(UsageError);
      expect(() => read(...args)).toThrow(message);
    }
  });
});
