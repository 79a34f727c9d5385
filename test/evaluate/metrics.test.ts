/** Maps and masks small enough to be measured by hand. */
import { describe, expect, it } from 'vitest';
import { type GroundTruth, labelPixels, type Region } from '../../src/evaluate/ground-truth.ts';
import { measure, THRESHOLDS } from '../../src/evaluate/metrics.ts';
import { DEFAULT_THRESHOLD } from '../../src/image/boxes.ts';

/** A mask or map drawn in rows of digits; other characters are 0. */
function drawn(rows: readonly string[]): number[] {
  return rows.flatMap((row) => [...row].map((character) => (/\d/.test(character) ? Number(character) : 0)));
}

/** The region of the pixels that show `mark`, by the box of the whole drawing. */
function region(rows: readonly string[], mark: string): Region {
  const mask = Uint8Array.from(rows.join(''), (character) => (character === mark ? 1 : 0));
  return { left: 0, top: 0, width: rows[0]!.length, height: rows.length, mask };
}

/** Ground truth drawn with a letter for each instance and ? for what is ignored. */
function truth(...rows: string[]): GroundTruth {
  const letters = [...new Set(rows.join('').replace(/[^a-z]/g, ''))];
  return {
    width: rows[0]!.length,
    height: rows.length,
    instances: letters.map((letter) => region(rows, letter)),
    ignored: [region(rows, '?')],
  };
}

function measured(map: readonly string[], of: GroundTruth, threshold?: number) {
  return measure(Float32Array.from(drawn(map)), labelPixels(of), threshold);
}

describe('pointing', () => {
  const left = truth('aa..', 'aa..');

  it('hits with its highest pixel on the object, and misses beside it', () => {
    expect(measured(['1...', '.9.8'], left).pointing).toBe(1);
    expect(measured(['8...', '.8.9'], left).pointing).toBe(0);
  });

  it('of several highest pixels counts the share on the object, as a random one of them would hit', () => {
    expect(measured(['9.99', '.9..'], left).pointing).toBe(2 / 4);
  });

  it('does not look at ignored pixels', () => {
    expect(measured(['1...', '..89'], truth('aa.?', 'aa.?')).pointing).toBe(0);
    expect(measured(['1...', '...9'], truth('aa.?', 'aa.?')).pointing).toBe(1);
  });
});

describe('energy', () => {
  it('is the share of the sum on the objects', () => {
    expect(measured(['12..', '.3.4'], truth('aa..', '.b..')).energy).toBe(6 / 10);
  });

  it('leaves ignored pixels out of both sums', () => {
    expect(measured(['1.93', '....'], truth('a.?.', '....')).energy).toBe(1 / 4);
  });

  it('counts a pixel of two instances once', () => {
    const both = { ...truth('a...', '....'), instances: [region(['a...'], 'a'), region(['a...'], 'a')] };
    expect(measured(['1..3', '....'], both).energy).toBe(1 / 4);
  });
});

describe('IoU', () => {
  it('cuts at its share of the maximum, that value included', () => {
    // At 0.5 of 8 the map covers 4, 8 and 5; the object is 4, 8 and two pixels without heat.
    const of = truth('aa..', 'aa..');
    expect(measured(['48..', '..53'], of, 0.5).iou).toBe(2 / 5);
    expect(measured(['48..', '..53'], of, 0.51).iou).toBe(1 / 5);
  });

  it('is 1 where the cut map is the object', () => {
    expect(measured(['79..', '.1..'], truth('aa..', '....'), 0.5).iou).toBe(1);
  });

  it('takes no part of ignored pixels', () => {
    expect(measured(['99..', '9...'], truth('a?..', '....'), 0.5).iou).toBe(1 / 2);
  });

  it('has a value for each threshold, that of the fixed one among them', () => {
    const { iou, ious } = measured(['1358', '....'], truth('...a', '....'));
    const covered = THRESHOLDS.map((threshold) => [1, 3, 5, 8].filter((value) => value >= 8 * threshold).length);
    expect(ious).toEqual(covered.map((pixels) => 1 / pixels));
    expect(iou).toBe(ious[THRESHOLDS.indexOf(DEFAULT_THRESHOLD)]);
  });
});

describe('hits', () => {
  const three = truth('aa.bb', 'aa.bb', '.....', 'c....');

  it('are the instances that the cut map covers at least by half', () => {
    expect(measured(['99.9.', '.....', '.....', '9....'], three, 0.5).hits).toBe(2);
    expect(measured(['99.9.', '....9', '.....', '4....'], three, 0.5).hits).toBe(2);
    expect(measured(['....9', '.....', '.....', '4....'], three, 0.4).hits).toBe(1);
  });

  it('do not count what is ignored of an instance', () => {
    const half = { ...truth('aaaa'), ignored: [region(['??..'], '?')] };
    expect(measured(['9.4.'], half, 0.4).hits).toBe(1);
    expect(measured(['99..'], half, 0.4).hits).toBe(0);
  });
});

it('a map that is the same everywhere scores the share of the object, and hits every instance', () => {
  const { pointing, energy, iou, hits } = measured(['1111', '1111'], truth('a..b', '....'));
  expect({ pointing, energy, iou, hits }).toEqual({ pointing: 1 / 4, energy: 1 / 4, iou: 1 / 4, hits: 2 });
});

it.each([
  ['nothing', ['....']],
  ['heat where nothing counts', ['...9']],
])('a map of %s scores 0, not NaN', (_, map) => {
  const result = measured(map, truth('aa.?'));
  expect(result).toEqual({ pointing: 0, energy: 0, iou: 0, ious: THRESHOLDS.map(() => 0), hits: 0 });
});

describe('labelled pixels', () => {
  it('count objects and background, and leave instances out of which nothing is seen', () => {
    const of = { ...truth('ab..', 'a...'), ignored: [region(['.?..', '...?'], '?')] };
    const labelled = labelPixels(of);
    expect([labelled.objectPixels, labelled.countedPixels, labelled.instances.length]).toEqual([2, 6, 1]);
    expect([...labelled.kinds]).toEqual([1, 2, 0, 0, 1, 0, 0, 2]);
  });

  it('take regions by their own box, cut at the edges of the picture', () => {
    const box = { left: -1, top: 1, width: 3, height: 2, mask: Uint8Array.of(1, 0, 1, 1, 1, 1) };
    expect([...labelPixels({ width: 3, height: 2, instances: [box] }).kinds]).toEqual([0, 0, 0, 0, 1, 0]);
  });
});
