import { describe, expect, it } from 'vitest';
import { THRESHOLDS } from '../../src/evaluate/metrics.ts';
import { type MapMeasures, type PictureMeasures, Tally } from '../../src/evaluate/tally.ts';

function map(values: Partial<MapMeasures>): MapMeasures {
  return { outcome: 'ok', pointing: 0, energy: 0, iou: 0, ious: THRESHOLDS.map(() => 0), hits: 0, ...values };
}

/** IoU at the thresholds: `value` at number `at`, 0 elsewhere. */
function iousWith(values: Record<number, number>): number[] {
  return THRESHOLDS.map((_, k) => values[k] ?? 0);
}

const PICTURES: PictureMeasures[] = [
  {
    instances: 1,
    objectShare: 0.1,
    maps: [
      map({ pointing: 1, energy: 0.5, iou: 0.25, hits: 1, ious: iousWith({ 3: 0.9, 7: 0.6 }) }),
      map({ pointing: 1, energy: 0.75, iou: 0.5, hits: 1, ious: iousWith({ 2: 0.5 }) }),
    ],
  },
  {
    instances: 3,
    objectShare: 0.3,
    maps: [
      map({ pointing: 0, energy: 0.25, iou: 0.75, hits: 0, ious: iousWith({ 5: 0.8, 7: 0.6 }) }),
      map({ pointing: 1, energy: 0.5, iou: 0.5, hits: 2, ious: iousWith({ 2: 0.25 }) }),
    ],
  },
];

function summary(pictures: readonly PictureMeasures[], order = [...pictures.keys()]) {
  const tally = new Tally(pictures.length, ['first', 'second']);
  for (const index of order) tally.set(index, pictures[index]!);
  return tally.summarize({ seed: 1, resamples: 300 })!;
}

describe('the summary', () => {
  const { methods, ...rest } = summary(PICTURES);

  it('is of the mean over the pictures, and for recall of the share of all instances', () => {
    const values = (name: string) => {
      const { pointing, energy, iou, recall } = methods[name]!;
      return [pointing, energy, iou, recall].map(({ value }) => value);
    };
    expect(values('first')).toEqual([0.5, 0.375, 0.5, 1 / 4]);
    expect(values('second')).toEqual([1, 0.625, 0.5, 3 / 4]);
    expect(rest).toEqual({ pictures: 2, instances: 4, objectShare: 0.2 });
  });

  it('takes one threshold for all pictures: not the best of each, but the best of their mean', () => {
    expect(methods.first).toMatchObject({ bestThreshold: THRESHOLDS[7], bestIou: { value: 0.6 } });
    expect(methods.second).toMatchObject({ bestThreshold: THRESHOLDS[2], bestIou: { value: 0.375 } });
  });

  it('has the differences from the first method', () => {
    expect(methods.first!.energy.difference).toBeUndefined();
    expect(methods.second!.energy.difference!.value).toBe(0.25);
    expect(methods.second!.recall.difference!.value).toBe(0.5);
  });

  it('pairs them: where a method is better by the same on every picture, the difference is certain', () => {
    const { low, high } = methods.second!.energy.difference!;
    expect([low, high]).toEqual([0.25, 0.25]);
    expect(methods.second!.energy.low).toBeLessThan(methods.second!.energy.high);
  });

  it('does not depend on the order in which pictures came', () => {
    const many = Array.from({ length: 40 }, (_, i) => ({ ...PICTURES[i % 2]!, objectShare: i / 100 }));
    const backwards = [...many.keys()].reverse();
    expect(summary(many, backwards)).toEqual(summary(many));
  });
});

it('counts how the maps came out', () => {
  const outcomes = ['ok', 'empty', 'empty', 'negative-only', 'degenerate'] as const;
  const pictures = outcomes.map((outcome) => ({ instances: 1, objectShare: 0.5, maps: [map({}), map({ outcome })] }));
  const { methods } = summary(pictures);
  expect(methods.first!.outcomes).toEqual({ ok: 5, empty: 0, 'negative-only': 0, degenerate: 0 });
  expect(methods.second!.outcomes).toEqual({ ok: 1, empty: 2, 'negative-only': 1, degenerate: 1 });
});

it('leaves out the pictures that were not measured', () => {
  const tally = new Tally(5, ['first', 'second']);
  expect(tally.summarize({ seed: 1 })).toBeUndefined();
  tally.set(3, PICTURES[0]!);
  expect(tally.summarize({ seed: 1, resamples: 10 })).toMatchObject({ pictures: 1, instances: 1, objectShare: 0.1 });
});
