/** Random test data that is the same on every machine and run. */

export interface Random {
  /** In [min, max), default [0, 1). */
  uniform(min?: number, max?: number): number;
  /** Mean 0, standard deviation 1. */
  normal(): number;
  /** A whole number, min and max included. */
  integer(min: number, max: number): number;
  /** `count` values that are exact in float32, so that the GPU and the float64 oracle start from the same numbers. */
  uniforms(count: number, min?: number, max?: number): Float32Array;
  normals(count: number): Float32Array;
}

/**
 * A generator of its own for each test (mulberry32). It shares nothing with Philox, which is under test.
 *
 * @param seed any integer; equal seeds give equal sequences
 */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const uniform = (min = 0, max = 1) => min + (max - min) * next();
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return {
    uniform,
    normal,
    integer: (min, max) => min + Math.floor(next() * (max - min + 1)),
    uniforms: (count, min, max) => Float32Array.from({ length: count }, () => uniform(min, max)),
    normals: (count) => Float32Array.from({ length: count }, normal),
  };
}
