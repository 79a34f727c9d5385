/** Explanations that grow batch by batch. */
import { describe, expect, it } from 'vitest';
import { AbortError, OptionError, OverflowError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { METHOD_ROWS } from '../../src/methods.ts';
import type { Model } from '../../src/model.ts';
import {
  BatchMeans,
  explainProgressively,
  type ProgressiveOptions,
  type ProgressiveStep,
} from '../../src/progressive.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { random } from '../harness/random.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const VGG = smallVgg({ name: 'vgg11', inputSize: 64 });
const PICTURE = noisyPicture(5, 64);
const SMOOTH = { nSamples: 12, stdDev: 0.2, seed: 3, layerName: 'block4_conv2', classIndex: 2 } as const;

function modelTest(name: string, work: (model: Model, gpu: Gpu) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model, gpu);
  });
}

async function stepsOf(model: Model, options: ProgressiveOptions): Promise<ProgressiveStep[]> {
  const steps: ProgressiveStep[] = [];
  for await (const step of explainProgressively(model, PICTURE, options)) steps.push(step);
  return steps;
}

describe('explainProgressively', () => {
  for (const method of ['grad-cam', 'smooth-grad-cam++', 'layer-cam', 'smooth-grad'] as const) {
    modelTest(`gives at each step the map of the copies so far: ${method}`, async (model) => {
      const layerName = METHOD_ROWS[method].place === 'layer' ? SMOOTH.layerName : undefined;
      const options = { ...SMOOTH, layerName, method };
      const steps = await stepsOf(model, { ...options, batch: 3 });
      expect(steps.map(({ samples }) => samples)).toEqual([2, 5, 8, 10, 12].slice(0, steps.length));
      expect(steps.at(-1)!.samples).toBe(12);
      for (const { samples, signed, map, total } of steps) {
        const expected = await explain(model, PICTURE, { ...options, nSamples: samples });
        assertSameBits(signed.data, expected.signed.data, { what: `${samples} copies, signed` });
        assertSameBits(map.data, expected.map.data, { what: `${samples} copies` });
        expect(total).toBe(12);
      }
      const { result } = steps.at(-1)!;
      const expected = await explain(model, PICTURE, options);
      assertSameBits(result!.map.data, expected.map.data);
      expect(result!.alphaZeroCells).toBe(expected.alphaZeroCells);
      expect(result!.predictions).toEqual(expected.predictions);
      expect(steps.slice(0, -1).every((step) => step.result === undefined)).toBe(true);
    });
  }

  modelTest('tells the spread of the batches’ own maps', async (model) => {
    const steps = await stepsOf(model, { ...SMOOTH, batch: 4 });
    expect(steps[0]!.standardError).toBeUndefined();
    // The samples of a batch alone are those of an explanation less those before it: known here for the first batch only.
    for (const { standardError, uncertainty, signed } of steps.slice(1)) {
      const { data } = standardError!;
      expect(data.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
      const scale = Math.max(...signed.data.map(Math.abs));
      expect(uncertainty).toBeCloseTo(Math.max(...data) / scale, 6);
    }
    expect(steps.at(-1)!.uncertainty!).toBeGreaterThan(0);
    const still = await stepsOf(model, { ...SMOOTH, batch: 4, stdDev: 0 });
    // Without noise every batch is the same: what is left is rounding.
    expect(still.at(-1)!.uncertainty!).toBeLessThan(1e-6);
  });

  modelTest('stops once it has settled, with the result of the copies it took', async (model) => {
    const steps = await stepsOf(model, { ...SMOOTH, nSamples: 40, stdDev: 0.001, batch: 2, tolerance: 0.5 });
    const last = steps.at(-1)!;
    expect(last.uncertainty!).toBeLessThanOrEqual(0.5);
    expect(steps.length).toBe(4);
    expect(last.samples).toBeLessThan(40);
    const { result } = last;
    expect(result!.options.nSamples).toBe(last.samples);
    const expected = await explain(model, PICTURE, { ...SMOOTH, nSamples: last.samples, stdDev: 0.001 });
    assertSameBits(result!.map.data, expected.map.data);
    assertSameBits(
      (await result!.combine({ filters: [1] })).map.data,
      (await expected.combine({ filters: [1] })).map.data,
    );
  });

  modelTest('takes all copies where it does not settle', async (model) => {
    const steps = await stepsOf(model, { ...SMOOTH, tolerance: 1e-9 });
    expect(steps.at(-1)!.samples).toBe(12);
    expect(steps.at(-1)!.result).toBeDefined();
  });

  modelTest('leaks nothing when the caller leaves, or the signal fires', async (model, gpu) => {
    await stepsOf(model, { ...SMOOTH, keep: false });
    await stepsOf(model, { ...SMOOTH, keep: false });
    const steady = gpu.memory.currentBytes;
    for (let i = 0; i < 3; i++) {
      for await (const step of explainProgressively(model, PICTURE, { ...SMOOTH, keep: false })) {
        if (step.samples > 3) break;
      }
      const controller = new AbortController();
      const stopped = async () => {
        for await (const step of explainProgressively(model, PICTURE, { ...SMOOTH, signal: controller.signal })) {
          expect(step.samples).toBeLessThan(12);
          controller.abort();
        }
      };
      await assertRejects(stopped, AbortError, /stopped/);
      expect(gpu.memory.currentBytes).toBeLessThanOrEqual(steady);
    }
    const steps = await stepsOf(model, { ...SMOOTH, keep: false });
    const expected = await explain(model, PICTURE, SMOOTH);
    assertSameBits(steps.at(-1)!.map.data, expected.map.data);
  });

  modelTest('yields no step of copies that overflow', async (model) => {
    const yielded: ProgressiveStep[] = [];
    const drowned = async () => {
      const options = { ...SMOOTH, stdDev: 1e38 };
      for await (const step of explainProgressively(model, PICTURE, options)) yielded.push(step);
    };
    await assertRejects(drowned, OverflowError, /a noisy copy are not finite: with stdDev 1e\+38 .*Lower stdDev/);
    expect(yielded).toEqual([]);
  });

  modelTest('refuses what cannot grow', async (model) => {
    for (const [options, message] of [
      [{ nSamples: 0 }, /nSamples: got 0; .*nothing that grows/],
      [{ ...SMOOTH, activations: 'mean' }, /activations: .*'mean' is known after the last copy/],
      [{ ...SMOOTH, preset: 'torch-cam' }, /activations: got "last"; .*'last' is known after the last copy/],
      [{ ...SMOOTH, sampleWeights: 'score' }, /sampleWeights/],
      [{ ...SMOOTH, method: 'guided-grad-cam' }, /method: got "guided-grad-cam"; .*product of two means/],
      [{ ...SMOOTH, tolerance: 0 }, /tolerance: got 0/],
      [{ ...SMOOTH, tolerances: 0.1 }, /tolerances: got 0.1/],
    ] as const) {
      await assertRejects(() => stepsOf(model, options as ProgressiveOptions), OptionError, message);
    }
  });
});

describe('BatchMeans', () => {
  it('has no standard error once the values of a batch are beyond float32', () => {
    const means = new BatchMeans();
    for (const value of [1, Infinity, 2]) means.add(Float32Array.of(0, value), 3);
    expect(means.standardError()).toBeUndefined();
  });

  it('has the standard error of the weighted mean', () => {
    const draw = random(1);
    const batches = [3, 5, 2, 7].map((samples) => ({ samples, values: Float32Array.of(draw.normal(), draw.normal()) }));
    const means = new BatchMeans();
    for (const [i, { samples, values }] of batches.entries()) {
      expect(means.standardError() === undefined).toBe(i < 2);
      means.add(values, samples);
    }
    const error = means.standardError()!;
    for (const cell of [0, 1]) {
      const mean = batches.reduce((sum, { samples, values }) => sum + samples * values[cell]!, 0) / 17;
      const squares = batches.reduce((sum, { samples, values }) => sum + samples * (values[cell]! - mean) ** 2, 0);
      expect(error[cell]).toBeCloseTo(Math.sqrt(squares / (3 * 17)), 6);
    }
  });
});
