/**
 * Confidence intervals by resampling: Efron's bias-corrected and accelerated bootstrap (BCa; Efron 1987, Better bootstrap
 * confidence intervals; Efron and Tibshirani 1993, chapter 14). The pictures are the units: all that is measured on one
 * picture stays together, so that differences between methods are paired.
 */
import { sumOf } from '../sum.ts';

export interface Estimate {
  readonly value: number;
  /** The ends of the interval. */
  readonly low: number;
  readonly high: number;
}

/**
 * Several statistics of a resample.
 *
 * @param counts how often each unit was drawn; all 1 for the sample itself
 */
export type Statistics = (counts: Float64Array) => readonly number[];

export interface BootstrapOptions {
  /** A whole number; the same seed gives the same intervals. */
  readonly seed: number;
  /** B. Default 2000. */
  readonly resamples?: number;
  /** Coverage that is aimed at. Default 0.95. */
  readonly level?: number;
}

export const DEFAULT_BOOTSTRAP = { resamples: 2000, level: 0.95 } as const;

/** The acceleration needs the statistics without each unit in turn, or without each of this many groups of them. */
const MAX_JACKKNIFE_GROUPS = 500;

/**
 * An estimate and its interval for each statistic. Where no resample differs from the sample, as with a single unit, the
 * interval has no width: it then says nothing of the uncertainty.
 *
 * @param units at least 1
 */
export function bootstrap(
  units: number,
  statistics: Statistics,
  { seed, resamples, level }: BootstrapOptions,
): Estimate[] {
  const draws = resamples ?? DEFAULT_BOOTSTRAP.resamples;
  const tail = (1 - (level ?? DEFAULT_BOOTSTRAP.level)) / 2;
  const values = statistics(new Float64Array(units).fill(1));
  const replicates = values.map(() => new Float64Array(draws));
  const random = randomWords(seed);
  const counts = new Float64Array(units);
  for (let draw = 0; draw < draws; draw++) {
    counts.fill(0);
    for (let i = 0; i < units; i++) counts[Math.floor((random() / 2 ** 32) * units)]!++;
    for (const [k, value] of statistics(counts).entries()) replicates[k]![draw] = value;
  }
  const accelerations = accelerationsOf(units, statistics);
  return values.map((value, k) => {
    const sorted = replicates[k]!.sort();
    const bias = biasCorrection(value, sorted);
    const end = (share: number) => quantile(sorted, correctedShare(share, bias, accelerations[k]!));
    return { value, low: end(tail), high: end(1 - tail) };
  });
}

/** z₀: how far the median of the resamples lies from the estimate, in normal deviates; ties count half. */
function biasCorrection(value: number, sorted: Float64Array): number {
  let below = 0;
  for (const replicate of sorted) below += replicate < value ? 1 : replicate === value ? 0.5 : 0;
  // Shares of 0 and 1 would put the ends of the interval at infinity.
  const share = Math.min(Math.max(below / sorted.length, 0.5 / sorted.length), 1 - 0.5 / sorted.length);
  return normalQuantile(share);
}

function correctedShare(share: number, bias: number, acceleration: number): number {
  const deviate = bias + normalQuantile(share);
  const stretch = 1 - acceleration * deviate;
  // Beyond the pole the interval would turn over; the extreme replicate is the limit.
  if (stretch <= 0) return deviate > 0 ? 1 : 0;
  return normalProbability(bias + deviate / stretch);
}

/** a of each statistic: a sixth of the skewness of its jackknife values over √units. */
function accelerationsOf(units: number, statistics: Statistics): number[] {
  if (units < 2) return statistics(new Float64Array(units).fill(1)).map(() => 0);
  const groups = Math.min(units, MAX_JACKKNIFE_GROUPS);
  const without = Array.from({ length: groups }, (_, group) =>
    statistics(Float64Array.from({ length: units }, (_, i) => (i % groups === group ? 0 : 1))),
  );
  return without[0]!.map((_, k) => {
    const values = without.map((row) => row[k]!);
    const mean = sumOf(values) / groups;
    let squares = 0;
    let cubes = 0;
    for (const value of values) {
      squares += (mean - value) ** 2;
      cubes += (mean - value) ** 3;
    }
    return squares > 0 ? cubes / (6 * squares ** 1.5) : 0;
  });
}

/** Between the order statistics, linearly. */
function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (position - low) * (sorted[high]! - sorted[low]!);
}

/** Φ(z), to 7.5e-8: Abramowitz and Stegun 26.2.17. */
export function normalProbability(z: number): number {
  if (z < 0) return 1 - normalProbability(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

/** Φ⁻¹(p) for 0 < p < 1, to 1.2e-9 of itself: Acklam's rational approximation. */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(TAIL_NUMERATOR, q) / polynomial(TAIL_DENOMINATOR, q);
  }
  const q = p - 0.5;
  const r = q * q;
  return (q * polynomial(CENTRE_NUMERATOR, r)) / polynomial(CENTRE_DENOMINATOR, r);
}

const CENTRE_NUMERATOR = [
  -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
  2.506628277459239,
];
const CENTRE_DENOMINATOR = [
  -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1,
];
const TAIL_NUMERATOR = [
  -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const TAIL_DENOMINATOR = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1];

/** @param coefficients of the highest power first */
function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}

/** sfc32 (Doty-Humphrey, PractRand): 32-bit words whose period, at least 2^32, suffices for any number of resamples. */
function randomWords(seed: number): () => number {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = () => {
    const word = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word >>> 0;
  };
  // Until near seeds have nothing in common any more.
  for (let i = 0; i < 15; i++) next();
  return next;
}
