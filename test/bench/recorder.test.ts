import { describe, expect } from 'vitest';
import { OwnExplainer } from '../../bench/peers/own.ts';
import { makeProblem } from '../../bench/problem.ts';
import { opOf, recordRuns } from '../../bench/recorder.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { gpuTest } from '../harness/gpu.ts';

const problem = makeProblem(
  { width: 1 / 32, inputSize: 32 },
  { head: 'classifier', layer: 'block1_conv1', samples: 3 },
);

/** Most bytes at a time that an explanation with a new model adds to what there is. */
async function peakBytes(gpu: Gpu, dry: boolean): Promise<number> {
  gpu.pool.endRound();
  gpu.pool.endRound();
  const before = gpu.pool.currentBytes;
  const ours = await OwnExplainer.create(gpu, problem);
  await recordRuns(gpu, () => ours.explain(), { dry });
  ours.dispose();
  return gpu.pool.peakBytes - before;
}

describe('recorded runs', () => {
  gpuTest('are those of the library, in order', async (gpu) => {
    const ours = await OwnExplainer.create(gpu, problem);
    const runs = await recordRuns(gpu, () => ours.explain());
    const batch = runs.find(({ dispatches }) => dispatches.some((dispatch) => opOf(dispatch) === 'one-hot'))!;
    const ops = batch.dispatches.map(opOf);
    expect(ops.indexOf('noise')).toBeLessThan(ops.indexOf('conv2d'));
    expect(ops.lastIndexOf('map')).toBe(ops.length - 1);
    expect(batch.submits).toBeGreaterThanOrEqual(1);
    ours.dispose();
  });

  gpuTest('leave the Gpu as it was, also after a failure', async (gpu) => {
    const { run } = gpu;
    await expect(recordRuns(gpu, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(gpu.run).toBe(run);
  });

  gpuTest('take as much memory when they are dry', async (gpu) => {
    // The first makes what outlives an explanation.
    await peakBytes(gpu, false);
    const wet = await peakBytes(gpu, false);
    expect(await peakBytes(gpu, true)).toBe(wet);
    expect(wet).toBeGreaterThan(0);
  });
});
