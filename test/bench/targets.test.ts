import { describe, expect, it } from 'vitest';
import { findTarget, goalOf, MEASURE_IDS, TARGETS, verdict } from '../../bench/targets.ts';

describe('the table of targets', () => {
  it('has all eleven measures', () => {
    expect(MEASURE_IDS).toEqual(Array.from({ length: 11 }, (_, i) => `m${i + 1}`));
  });

  it.each(TARGETS)('asks for no less than the least: $id $measure', (target) => {
    for (const isSoftware of [false, true]) {
      const goal = goalOf(target, isSoftware);
      expect(verdict(target, goal, goal.reach)).toBe('reached');
      expect(verdict(target, goal, goal.least)).not.toBe('missed');
    }
    expect(findTarget(target.id, target.measure)).toBe(target);
  });

  it('tells reached from at least and missed, whichever way is better', () => {
    const speed = findTarget('m1', 'speed against tfjs, block5_conv3')!;
    const onCpu = goalOf(speed, true);
    expect([16, 15.9, 8, 7.9].map((value) => verdict(speed, onCpu, value))).toEqual([
      'reached',
      'at least',
      'at least',
      'missed',
    ]);
    expect(verdict(speed, goalOf(speed, false), 8)).toBe('reached');
    const memory = findTarget('m7', 'memory, block5_conv3')!;
    expect([128, 129, 256, 257].map((value) => verdict(memory, goalOf(memory, false), value))).toEqual([
      'reached',
      'at least',
      'at least',
      'missed',
    ]);
  });

  it('takes what is no number for missed', () => {
    for (const target of TARGETS) expect(verdict(target, goalOf(target, true), Number.NaN)).toBe('missed');
  });
});
