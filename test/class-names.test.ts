import { describe, expect, it } from 'vitest';
import { findClasses, findOneClass } from '../src/class-names.ts';
import { OptionError } from '../src/errors.ts';

const LABELS = [
  'tench, Tinca tinca',
  'crane',
  'tabby, tabby cat',
  'tiger cat',
  'crane',
  'maillot',
  'maillot, tank suit',
  'Egyptian cat',
];

describe('findClasses', () => {
  it.each([
    ['2', [2]],
    ['2,0', [2, 0]],
    ['tench', [0]],
    ['TINCA  tinca', [0]],
    ['tabby cat', [2]],
    ['tabby, tabby cat', [2]],
    ['maillot, tank suit', [6]],
    ['egyptian cat, 2, tench', [7, 2, 0]],
    ['2,2,tabby', [2]],
  ])('%s', (text, classes) => {
    expect(findClasses(text, LABELS)).toEqual(classes);
  });

  it('leaves the range of an index to the model', () => {
    expect(findClasses('-1,4711', LABELS)).toEqual([-1, 4711]);
    expect(findClasses('285', undefined)).toEqual([285]);
  });

  it('lists the classes that an ambiguous name means', () => {
    expect(() => findClasses('crane', LABELS)).toThrow(/"crane".*several: 1 \(crane\); 4 \(crane\)/);
    expect(() => findClasses('crane', LABELS)).toThrow(OptionError);
  });

  it('offers what is near an unknown name', () => {
    expect(() => findClasses('cat', LABELS)).toThrow(/"cat".*2 \(tabby, tabby cat\); 3 \(tiger cat\); 7/);
  });

  it('offers the first where none is near', () => {
    const [first] = LABELS;
    expect(() => findClasses('zebra', LABELS)).toThrow(
      `"zebra"; allowed: an index or a name of a class, such as 0 (${first}); 1`,
    );
    expect(() => findClasses('', LABELS)).toThrow(
      `""; allowed: an index or a name of a class, such as 0 (${first}); 1`,
    );
  });

  it('asks for labels where there are none', () => {
    expect(() => findClasses('cat', undefined)).toThrow(/--labels/);
  });
});

describe('findOneClass', () => {
  it('finds one', () => {
    expect(findOneClass('tabby', LABELS, 'class-index')).toBe(2);
    expect(findOneClass('7', undefined, 'class-index')).toBe(7);
  });

  it('refuses several', () => {
    expect(() => findOneClass('1,2', LABELS, 'class-index')).toThrow('class-index: got "1,2"; allowed: one class');
  });
});
