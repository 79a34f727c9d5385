import { describe, expect, it } from 'vitest';
import { OptionError } from '../src/errors.ts';
import { checkOptionNames } from '../src/option-names.ts';

const KNOWN = { nSamples: true, stdDev: true, seed: true, sampleWeights: true } as const;

function errorOf(options: unknown): OptionError {
  try {
    checkOptionNames('explain()', options as Partial<Record<keyof typeof KNOWN, unknown>>, KNOWN);
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError);
    return error as OptionError;
  }
  throw new Error(`no error for ${JSON.stringify(options)}`);
}

describe('checkOptionNames', () => {
  it('takes any of the names, and undefined for absent', () => {
    checkOptionNames('explain()', {}, KNOWN);
    checkOptionNames('explain()', { nSamples: 3, seed: undefined, stdDev: 0 }, KNOWN);
  });

  it.each([
    ['nSample', 'nSamples'],
    ['NSAMPLES', 'nSamples'],
    ['std_dev', 'stdDev'],
    ['sigma', 'nothing of that name'],
    ['tolerance', 'nothing of that name'],
    ['sampleWeight', 'sampleWeights'],
  ])('names the nearest to %s, if one is near', (name, suggested) => {
    const error = errorOf({ seed: 1, [name]: 5 });
    expect([error.option, error.value]).toEqual([name, 5]);
    expect(error.message).toBe(
      `${name}: got 5; allowed: ${suggested}; explain() takes nSamples, stdDev, seed, sampleWeights`,
    );
  });

  it('refuses unknown names whatever their value, and null', () => {
    expect(errorOf({ nSample: undefined }).option).toBe('nSample');
    expect(errorOf({ seed: null }).message).toBe('seed: got null; allowed: a value, or undefined for the default');
  });

  it('refuses a signal that cannot fire, and progress that nobody can be told', () => {
    const known = { signal: true, onProgress: true } as const;
    const call = { signal: new AbortController().signal, onProgress: () => {} };
    checkOptionNames('explain()', call, known);
    const wrong = (options: object) => () => checkOptionNames('explain()', { ...call, ...options }, known);
    expect(wrong({ signal: new AbortController() })).toThrow(/^signal: got .*; allowed: an AbortSignal/);
    expect(wrong({ onProgress: 'bar' })).toThrow('onProgress: got "bar"; allowed: a function');
  });

  it.each([[null], [3], ['smooth'], [[]]])('refuses %j for options', (options) => {
    expect(errorOf(options).message).toMatch(/^options of explain\(\): got .*; allowed: an object/);
  });
});
