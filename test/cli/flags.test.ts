import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  explainOptions,
  inTermsOfFlags,
  parseFactor,
  parseIntegers,
  parseNeurons,
  parseNumber,
  parseRegion,
} from '../../src/cli/flags.ts';
import { OptionError } from '../../src/errors.ts';

describe('parsing', () => {
  it.each([
    ['5', 5],
    ['-1', -1],
    ['0.15', 0.15],
    ['.5', 0.5],
    ['1e-3', 1e-3],
    ['9007199254740991', 9007199254740991],
  ])('number %s', (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  it.each(['', ' ', 'abc', 'NaN', 'nan', 'Infinity', '0x10', '1,5', '5px', '1e'])('no number: "%s"', (text) => {
    expect(() => parseNumber(text)).toThrow(InvalidArgumentError);
  });

  it('factors, as a fraction or not', () => {
    expect(parseFactor('1/8')).toBe(0.125);
    expect(parseFactor('0.25')).toBe(0.25);
    expect(parseFactor('3/2')).toBe(1.5);
    for (const text of ['', '1/', '1/8/2', 'x']) {
      expect(() => parseFactor(text)).toThrow(InvalidArgumentError);
    }
  });

  it('lists of whole numbers', () => {
    expect(parseIntegers('0, 1,511')).toEqual([0, 1, 511]);
    for (const text of ['', '1,', '1.5', 'a']) expect(() => parseIntegers(text)).toThrow(InvalidArgumentError);
  });

  it('regions', () => {
    expect(parseRegion('0,10,12,12')).toEqual([
      [0, 10],
      [12, 12],
    ]);
    for (const text of ['0,1,2', '0,1,2,3,4', '0,1;2,3']) expect(() => parseRegion(text)).toThrow(InvalidArgumentError);
  });

  it('neurons', () => {
    expect(parseNeurons('3,4')).toEqual([[3, 4]]);
    expect(parseNeurons('3,4;5,6;')).toEqual([
      [3, 4],
      [5, 6],
    ]);
    for (const text of ['3', '3,4,5', '3,4;x']) expect(() => parseNeurons(text)).toThrow(InvalidArgumentError);
  });
});

describe('explainOptions', () => {
  it('leaves defaults to the library', () => {
    expect(Object.values(explainOptions({})).every((value) => value === undefined)).toBe(true);
  });

  it('turns a region and neurons into a subset', () => {
    expect(explainOptions({ region: parseRegion('0,1,2,3') })).toMatchObject({
      region: true,
      subset: [
        [0, 1],
        [2, 3],
      ],
    });
    const neurons = explainOptions({ neurons: parseNeurons('0,1') });
    expect(neurons).toMatchObject({ subset: [[0, 1]] });
    expect(neurons.region).toBeUndefined();
  });
});

describe('inTermsOfFlags', () => {
  it.each([
    ['nSamples', {}, '--samples'],
    ['layerName', {}, '--layer'],
    ['classIndex', {}, '--class'],
    ['noiseScale', {}, '--noise-scale'],
    ['model', {}, '--model'],
    ['--labels', {}, '--labels'],
    ['GRADCAM_LABELS', {}, 'GRADCAM_LABELS'],
    ['IMAGE', {}, 'IMAGE'],
    ['subset row', { region: [] }, '--region'],
    ['subset column', { neurons: [] }, '--neurons'],
  ])('%s %o is %s', (option, flags, flag) => {
    const error = inTermsOfFlags(new OptionError(option, -1, 'more'), flags);
    expect(error).toMatchObject({ option: flag, message: `${flag}: got -1; allowed: more` });
  });
});
