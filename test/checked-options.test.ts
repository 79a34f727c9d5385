import { describe, expect, it } from 'vitest';
import { checkedCall, plainCall } from '../src/checked-options.ts';
import { OptionError } from '../src/errors.ts';
import type { AnyExplainOptions } from '../src/options.ts';
import { type OptionContext, resolveCall } from '../src/resolve-options.ts';

const MODEL: OptionContext = {
  classCount: 10,
  resolveLayer(name = 'block5_conv3') {
    if (name !== 'block5_conv3' && name !== 'features.28') throw new OptionError('layerName', name, 'block5_conv3');
    return { name: 'block5_conv3', shape: [8, 6, 4] };
  },
  pooledLayer: undefined,
};

/** Values of each option, right ones and wrong ones. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  method: ['grad-cam', 'grad-cam++', 'smooth-grad-cam++', 'score-cam', 'gradient', 'toString', 7, null],
  layerName: ['block5_conv3', 'features.28', 'block9', ['block5_conv3'], null],
  nSamples: [0, 8, 10_000, 10_001, -1, 0.5, '8', Number.NaN],
  stdDev: [0, 0.3, -0.1, Number.POSITIVE_INFINITY, '0.3'],
  seed: [0, 2 ** 53 - 1, 2 ** 53, -1, 1.5],
  classIndex: [0, 9, 10, -1, [1, 2], '1'],
  fit: ['squash', 'crop', 'pad', 'fill'],
  batch: [1, 0, 10_001],
  topK: [1, 0, 5.5],
  signal: [new AbortController().signal, {}, null],
  onProgress: [() => {}, 'call'],
  toString: [() => ''],
  preset: ['official'],
  region: [true],
  nsamples: [3],
};

describe('plainCall', () => {
  const resolved = (options: unknown) => resolveCall(options as AnyExplainOptions, MODEL);
  const names = Object.keys(VALUES);

  it('gives what the whole check gives, or leaves the call to it', () => {
    let plain = 0;
    for (const [i, name] of names.entries()) {
      for (const value of VALUES[name]!) {
        for (const beside of [{}, { [names[(i + 3) % names.length]!]: VALUES[names[(i + 3) % names.length]!]![0] }]) {
          const options = { ...beside, [name]: value };
          const call = (() => {
            try {
              return plainCall(options as AnyExplainOptions, MODEL);
            } catch (error) {
              expect(() => resolved(options)).toThrow((error as Error).message);
              return undefined;
            }
          })();
          if (!call) continue;
          plain++;
          expect(call, JSON.stringify(options)).toEqual(resolved(options));
        }
      }
    }
    expect(plain).toBeGreaterThan(25);
    expect(plainCall({}, MODEL)).toEqual(resolved({}));
    expect(plainCall({ nSamples: undefined }, MODEL)).toEqual(resolved({}));
  });

  it.each([undefined, null, 7, [], { preset: 'official' }, { method: 'score-cam' }, { nSamples: -1 }])(
    'leaves %j to the whole check',
    (options) => {
      expect(plainCall(options as AnyExplainOptions, MODEL)).toBeUndefined();
    },
  );
});

describe('checkedCall', () => {
  it('takes what is not plain, and refuses what is wrong', async () => {
    expect((await checkedCall({ preset: 'official' }, MODEL)).asked[0]![0]!.alphaGuard).toBe('nonzero');
    await expect(checkedCall({ nSamples: -1 }, MODEL)).rejects.toThrow(/nSamples: got -1; allowed: a whole number/);
    await expect(checkedCall({ nsamples: 3 } as never, MODEL)).rejects.toThrow(OptionError);
  });
});
