import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assertClose } from '../harness/assertions.ts';
import { noiseSigma, noisySamples, philox4x32, standardNormals } from './noise.ts';
import { slice, tensor } from './tensor.ts';

/** Noise that an independent program made, which is not part of this repository. */
const golden = new URL('../../../shared/golden/index.json', import.meta.url);

describe('philox4x32', () => {
  const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

  // The known answers that come with the authors' implementation, Random123.
  it('gives the published answers', () => {
    expect(hex(philox4x32([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    const ones = 0xffffffff;
    expect(hex(philox4x32([ones, ones, ones, ones], [ones, ones]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
    expect(hex(philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    );
  });
});

describe('standardNormals', () => {
  it.skipIf(!existsSync(golden))('are those of an independent program (skipped: ../shared/golden is absent)', () => {
    const { noise } = JSON.parse(readFileSync(golden, 'utf8'));
    assertClose(standardNormals(noise.seed, noise.sample, 8), noise.first8, { tolerance: 1e-14 });
    assertClose(standardNormals(5 * 2 ** 32 + 7, 2, 8), noise.seed2_37, { tolerance: 1e-14 });
  });

  it('have mean 0 and variance 1, and are independent between lanes', () => {
    const count = 40_000;
    const normals = standardNormals(3, 0, count);
    const mean = (f: (index: number) => number) =>
      Array.from({ length: count - 1 }, (_, i) => f(i)).reduce((a, b) => a + b, 0) / (count - 1);
    // Five standard errors of each estimate.
    const bound = 5 / Math.sqrt(count);
    expect(Math.abs(mean((i) => normals[i]!))).toBeLessThan(bound);
    expect(Math.abs(mean((i) => normals[i]! ** 2) - 1)).toBeLessThan(bound * Math.SQRT2);
    expect(Math.abs(mean((i) => normals[i]! * normals[i + 1]!))).toBeLessThan(bound);
  });

  it('depend on seed, sample and element alone', () => {
    const normals = standardNormals(11, 4, 10);
    expect(standardNormals(11, 4, 7)).toEqual(normals.subarray(0, 7));
    expect(standardNormals(11, 5, 10)).not.toEqual(normals);
    expect(standardNormals(12, 4, 10)).not.toEqual(normals);
    expect(standardNormals(11 + 2 ** 32, 4, 10)).not.toEqual(normals);
  });
});

describe('noisySamples', () => {
  const input = tensor([3, 1, 2], [1, -3, 0, 2, 5, 4]);

  it('scale the noise by the range of the input, or take it as it is', () => {
    expect(noiseSigma(input, { stdDev: 0.25, noiseScale: 'relative', seed: 0 })).toBe(2);
    expect(noiseSigma(input, { stdDev: 0.25, noiseScale: 'absolute', seed: 0 })).toBe(0.25);
  });

  it('add it to every sample, by the sample’s own index', () => {
    const options = { stdDev: 0.5, noiseScale: 'absolute', seed: 9 } as const;
    const samples = noisySamples(input, 3, options);
    expect(samples.shape).toEqual([3, 3, 1, 2]);
    const expected = standardNormals(9, 2, 6).map((z, e) => input.data[e]! + 0.5 * z);
    expect(slice(samples, 2).data).toEqual(expected);
    expect(noisySamples(input, 1, options, 2).data).toEqual(expected);
  });
});
