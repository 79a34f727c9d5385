/** Gaussian noise from the counter-based generator Philox4x32-10 (Salmon et al. 2011). */
import { type Tensor, tensor } from './tensor.ts';

export type Words4 = readonly [number, number, number, number];

const WORD = 0xffffffffn;

/** Philox4x32-10: ten rounds over a counter of four 32-bit words under a key of two. */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const product0 = 0xd2511f53n * c0;
    const product1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(product1 >> 32n) ^ c1 ^ k0, product1 & WORD, (product0 >> 32n) ^ c3 ^ k1, product0 & WORD];
    k0 = (k0 + 0x9e3779b9n) & WORD;
    k1 = (k1 + 0xbb67ae85n) & WORD;
  }
  return [Number(c0), Number(c1), Number(c2), Number(c3)];
}

/** u(r) = ((r >> 9) + 0.5) · 2^−23, in (0, 1) at both ends open. */
const uniform = (word: number) => ((word >>> 9) + 0.5) * 2 ** -23;

/** Box–Muller: two standard normals from two words. */
function normalPair(word0: number, word1: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(uniform(word0)));
  const angle = 2 * Math.PI * uniform(word1);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/**
 * The first `count` standard normals of one sample. Element e depends on seed, sample and e alone.
 *
 * @param seed an integer in 0 … 2^53 − 1, split into the key's two words
 * @param sample m, the index of the noisy copy
 */
export function standardNormals(seed: number, sample: number, count: number): Float64Array {
  const key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] as const;
  const normals = new Float64Array(count);
  for (let block = 0; block * 4 < count; block++) {
    const [r0, r1, r2, r3] = philox4x32([block, sample, 0, 0], key);
    const four = [...normalPair(r0, r1), ...normalPair(r2, r3)];
    for (let lane = 0; lane < 4 && block * 4 + lane < count; lane++) normals[block * 4 + lane] = four[lane]!;
  }
  return normals;
}

export interface NoiseOptions {
  readonly stdDev: number;
  /** 'relative': σ = stdDev · (max x − min x); 'absolute': σ = stdDev. */
  readonly noiseScale: 'relative' | 'absolute';
  readonly seed: number;
}

/** σ in the units of the input. */
export function noiseSigma(input: Tensor, { stdDev, noiseScale }: NoiseOptions): number {
  if (noiseScale === 'absolute') return stdDev;
  const largest = input.data.reduce((a, b) => Math.max(a, b), -Infinity);
  const smallest = input.data.reduce((a, b) => Math.min(a, b), Infinity);
  return stdDev * (largest - smallest);
}

/**
 * x'_m = x + σ · z_m for samples m = first … first + count − 1.
 *
 * @param input x, [C, H, W], after preprocessing
 * @returns [count, C, H, W]
 */
export function noisySamples(input: Tensor, count: number, options: NoiseOptions, first = 0): Tensor {
  const sigma = noiseSigma(input, options);
  const samples = tensor([count, ...input.shape]);
  for (let m = 0; m < count; m++) {
    const normals = standardNormals(options.seed, first + m, input.data.length);
    for (let e = 0; e < input.data.length; e++) {
      samples.data[m * input.data.length + e] = input.data[e]! + sigma * normals[e]!;
    }
  }
  return samples;
}
