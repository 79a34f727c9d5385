/** A contest of real kernels: that they are timed, that wrong ones are found out, and that nothing is left behind. */
import { describe, expect } from 'vitest';
import { AbortError, LimitError } from '../../src/errors.ts';
import type { Dispatch } from '../../src/gpu/encoder.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { measureCase, type SizedSlice, type TuningCase } from '../../src/gpu/tuning-case.ts';
import { assertRejects } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { FILL, fill } from './fill-kernel.ts';

/** More than what is compared of the beginning and of the end. */
const COUNT = 200_003;

/** @param ways of filling y */
function fillCase(ways: Readonly<Record<string, (y: SizedSlice) => Dispatch[]>>): TuningCase {
  const candidates = Object.keys(ways);
  return {
    question: { key: 'fill', candidates },
    measuredOn: `${COUNT} floats`,
    reference: candidates[0]!,
    build(scratch) {
      const y = scratch.empty(COUNT);
      const rivals = Object.entries(ways).map(([name, way]) => ({
        name,
        tolerance: 1e-6,
        make: () => ({ setup: [], run: way(y) }),
      }));
      return { y, rivals };
    },
  };
}
const right = (y: SizedSlice) => [fill(y, COUNT, { offset: 1 })];

describe('measureCase', () => {
  gpuTest('times what is right, and leaves no buffer behind', async (gpu) => {
    // The buffer of uniforms grows with the first, and stays.
    await measureCase(gpu, fillCase({ right }));
    const before = gpu.memory.currentBytes;
    const { key, candidates } = await measureCase(gpu, fillCase({ right, again: right }));
    expect(key).toBe('fill');
    for (const { ms, error, disqualified } of candidates) {
      expect(disqualified).toBeUndefined();
      expect(error).toBe(0);
      expect(ms.length).toBeGreaterThan(0);
      for (const time of ms) expect(time).toBeGreaterThan(0);
    }
    expect(gpu.memory.currentBytes).toBe(before);
  });

  gpuTest('finds out what writes nothing, not all, something else, or does not compile', async (gpu) => {
    const broken = kernel({ ...FILL, name: 'broken', code: FILL.code.replace('var value', 'var') });
    const { candidates } = await measureCase(
      gpu,
      fillCase({
        right,
        nothing: () => [],
        half: (y) => [fill(y, COUNT / 2, { offset: 1 })],
        other: (y) => [fill(y, COUNT, { offset: 2 })],
        broken: (y) => [{ ...fill(y, COUNT), kernel: broken }],
      }),
    );
    const reasons = Object.fromEntries(candidates.map(({ name, disqualified }) => [name, disqualified]));
    expect(reasons.right).toBeUndefined();
    for (const name of ['nothing', 'half', 'other']) expect(reasons[name], name).toMatch(/its result is off/);
    expect(reasons.broken).toMatch(/did not compile/);
  });

  gpuTest('ends with its signal, and says when there is no room', async (gpu) => {
    await assertRejects(() => measureCase(gpu, fillCase({ right }), { signal: AbortSignal.abort() }), AbortError, /./);
    const huge: TuningCase = {
      ...fillCase({ right }),
      build: (scratch) => ({ y: scratch.empty(gpu.limits.maxBufferSize), rivals: [] }),
    };
    await assertRejects(() => measureCase(gpu, huge), LimitError, /maxBufferSize/);
  });
});
