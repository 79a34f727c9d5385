import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../src/gpu/buffers.ts';
import { type Dispatch, Encoder, foldGrid, Pace, SUBMIT_BUDGET_MS } from '../../src/gpu/encoder.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { PipelineCache } from '../../src/gpu/pipelines.ts';
import { conv2d, packedLength } from '../../src/ops/conv2d.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { random } from '../harness/random.ts';
import { FILL, fill } from './fill-kernel.ts';

describe('foldGrid', () => {
  it('leaves short grids alone and makes rows of long ones, with less than a row too many', () => {
    expect(foldGrid(1)).toEqual([1, 1]);
    expect(foldGrid(65_535)).toEqual([65_535, 1]);
    expect(foldGrid(65_536)).toEqual([32_768, 2]);
    for (const workgroups of [65_537, 100_003, 131_070, 131_071, 1_000_003, 65_535 ** 2]) {
      const [x, y] = foldGrid(workgroups);
      expect(x).toBeLessThanOrEqual(65_535);
      expect(y).toBeLessThanOrEqual(65_535);
      expect(x * y).toBeGreaterThanOrEqual(workgroups);
      expect(x * y - workgroups).toBeLessThan(y);
    }
  });
});

describe('Pace', () => {
  it('slows down at once and speeds up by halves', () => {
    const pace = new Pace(1000);
    expect(pace.submitBudgetFlops).toBe(1000 * SUBMIT_BUDGET_MS);
    pace.observe(100 * 500, 100);
    expect(pace.submitBudgetFlops).toBe(500 * SUBMIT_BUDGET_MS);
    pace.observe(100 * 1500, 100);
    expect(pace.submitBudgetFlops).toBe(1000 * SUBMIT_BUDGET_MS);
  });

  it('learns nothing from submits that are all latency, or have no arithmetic', () => {
    const pace = new Pace(1000);
    pace.observe(1, 19);
    pace.observe(0, 1000);
    expect(pace.submitBudgetFlops).toBe(1000 * SUBMIT_BUDGET_MS);
  });
});

/** Believes what it was told, however long the submits of this busy machine take. */
class SteadyPace extends Pace {
  override observe(): void {}
}

/** An encoder of its own that believes in a GPU of the given speed and remembers its arenas. */
function encoderOf(gpu: Gpu, flopsPerMs: number) {
  const pool = new BufferPool(gpu.device);
  const arenas: GPUBuffer[] = [];
  const encoder = new Encoder(gpu.device, new PipelineCache(gpu.device), new SteadyPace(flopsPerMs), (bytes) => {
    arenas.push(pool.create('arena', bytes, 'uniform'));
    return arenas.at(-1)!;
  });
  return { encoder, arenas, dispose: () => pool.dispose() };
}

/** More than any submit here has: never cut. */
const FAST = 1e30;

describe('Encoder', () => {
  gpuTest('runs dispatches in order, in one submit', async (gpu) => {
    const { encoder, dispose } = encoderOf(gpu, FAST);
    const y = gpu.createBuffer('y', 4 * 100);
    const first = fill({ buffer: y }, 100, { offset: 0.5 });
    const second = fill({ buffer: y }, 50, { shift: -3, twice: true });
    const { submits } = await encoder.run([first, second, fill({ buffer: y }, 0)]);
    expect(submits).toBe(1);
    const expected = Float32Array.from({ length: 100 }, (_, i) => (i < 50 ? 2 * (i - 3) : i + 0.5));
    assertSameBits(await gpu.readFloats({ buffer: y, size: 400 }), expected);
    expect((await encoder.run([])).submits).toBe(0);
    gpu.pool.destroy(y);
    dispose();
  });

  gpuTest('cuts between dispatches where that is enough, within one only where it is not', async (gpu) => {
    const y = gpu.createBuffer('y', 4 * 64);
    const run = async (flops: number[], budgetFlops: number) => {
      const { encoder, dispose } = encoderOf(gpu, budgetFlops / SUBMIT_BUDGET_MS);
      // 16 workgroups each.
      const { submits } = await encoder.run(flops.map((each) => fill({ buffer: y }, 64, { flops: each })));
      dispose();
      return submits;
    };
    expect(await run([16, 16, 16], 48)).toBe(1);
    expect(await run([16, 16, 16], 47)).toBe(2);
    expect(await run([16, 16, 16], 16)).toBe(3);
    expect(await run([16, 16, 16], 8)).toBe(6);
    // Never less than a workgroup, however slow the adapter.
    expect(await run([16, 16, 16], 0.001)).toBe(48);
    // No arithmetic: nothing to go by.
    expect(await run([0, 0, 0], 1)).toBe(1);
    gpu.pool.destroy(y);
  });

  gpuTest('gives the same result however it cuts', async (gpu) => {
    const shape = { inChannels: 5, outChannels: 11, height: 21, width: 13, kernel: 3, stride: 1, padding: 1 };
    const draw = random(3);
    const x = gpu.upload('x', draw.normals(2 * 5 * 21 * 13));
    const weights = gpu.upload('weights', draw.normals(packedLength(shape)));
    const bias = gpu.upload('bias', draw.normals(11));
    const count = 2 * 11 * 21 * 13;
    const results: Float32Array[] = [];
    const submits: number[] = [];
    for (const flopsPerMs of [FAST, 2e3, 300, 1e-6]) {
      const { encoder, dispose } = encoderOf(gpu, flopsPerMs);
      const y = gpu.upload('y', new Float32Array(count).fill(Number.NaN));
      const buffers = { x: { buffer: x }, weights: { buffer: weights }, bias: { buffer: bias }, y: { buffer: y } };
      submits.push((await encoder.run([conv2d(gpu.traits, shape, 2, { ...buffers, relu: true })])).submits);
      results.push(await gpu.readFloats({ buffer: y, size: 4 * count }));
      gpu.pool.destroy(y);
      dispose();
    }
    expect(submits[0]).toBe(1);
    expect(submits.at(-1)).toBeGreaterThan(5);
    expect(submits).toEqual(submits.toSorted((a, b) => a - b));
    for (const result of results.slice(1)) assertSameBits(result, results[0]!);
    for (const buffer of [x, weights, bias]) gpu.pool.destroy(buffer);
  });

  gpuTest('folds a grid of more workgroups than one dimension has', async (gpu) => {
    const { encoder, dispose } = encoderOf(gpu, FAST);
    // 65,544 workgroups of 4.
    const count = 4 * 65_544 - 1;
    const y = gpu.upload('y', new Float32Array(count + 9).fill(-1));
    await encoder.run([fill({ buffer: y }, count)]);
    const expected = Float32Array.from({ length: count + 9 }, (_, i) => (i < count ? i : -1));
    assertSameBits(await gpu.readFloats({ buffer: y, size: 4 * expected.length }), expected);
    gpu.pool.destroy(y);
    dispose();
  });

  gpuTest('reports progress and can be stopped before every submit', async (gpu) => {
    const y = gpu.createBuffer('y', 4 * 64);
    const dispatches = Array.from({ length: 4 }, () => fill({ buffer: y }, 64, { flops: 100 }));
    const { encoder, dispose } = encoderOf(gpu, 100 / SUBMIT_BUDGET_MS);
    const shares: number[] = [];
    let before = 0;
    await encoder.run(dispatches, { beforeSubmit: () => before++, onProgress: (share) => shares.push(share) });
    expect(before).toBe(4);
    expect(shares).toEqual([0.25, 0.5, 0.75]);
    const stop = () => {
      if (--before === 1) throw new RangeError('stop here');
    };
    await assertRejects(() => encoder.run(dispatches, { beforeSubmit: stop }), RangeError, /stop here/);
    expect(before).toBe(1);
    gpu.pool.destroy(y);
    dispose();
  });

  gpuTest('keeps its arena of uniforms until it needs a larger one', async (gpu) => {
    const { encoder, arenas, dispose } = encoderOf(gpu, FAST);
    const y = gpu.createBuffer('y', 4 * 64);
    const several = (count: number) => Array.from({ length: count }, () => fill({ buffer: y }, 4));
    for (const count of [3, 1, 3, 2]) await encoder.run(several(count));
    expect(arenas.map(({ size }) => size)).toEqual([3 * 256]);
    await encoder.run(several(5));
    expect(arenas.map(({ size }) => size)).toEqual([3 * 256, 5 * 256]);
    gpu.pool.destroy(y);
    dispose();
  });

  gpuTest('takes an arena of the same size however it cuts', async (gpu) => {
    const y = gpu.createBuffer('y', 4 * 64);
    // 16 workgroups each.
    const dispatches = Array.from({ length: 4 }, () => fill({ buffer: y }, 64, { flops: 16 }));
    for (const [budgetFlops, expected] of [
      [64, 1],
      [32, 2],
      [16, 4],
      [8, 8],
    ] as const) {
      const { encoder, arenas, dispose } = encoderOf(gpu, budgetFlops / SUBMIT_BUDGET_MS);
      const { submits } = await encoder.run(dispatches);
      expect([submits, arenas.map(({ size }) => size)]).toEqual([expected, [4 * 256]]);
      dispose();
    }
    gpu.pool.destroy(y);
  });

  gpuTest('refuses a dispatch that does not fit its kernel', async (gpu) => {
    const { encoder, dispose } = encoderOf(gpu, FAST);
    const y = gpu.createBuffer('y', 256);
    const good = fill({ buffer: y }, 4);
    const changes: [Partial<Dispatch>, RegExp][] = [
      [{ bindings: {} }, /kernel fill needs a buffer for 'y'/],
      [{ bindings: { y: { buffer: y }, x: { buffer: y } } }, /kernel fill has no storage variable 'x'/],
      [
        { uniforms: { count: 4 } },
        /kernel fill has the uniforms grid_first, grid_end, count, offset, shift; got count/,
      ],
      [{ uniforms: { count: 4, offset: 0, shfit: 0 } }, /kernel fill needs a value for uniform 'shift'/],
      [{ uniforms: { count: 4, offset: 0, shift: 0, more: 1 } }, /kernel fill has the uniforms/],
    ];
    for (const [change, message] of changes) {
      await assertRejects(() => encoder.run([{ ...good, ...change }]), Error, message);
    }
    const unknownFlag = { ...good, kernel: kernel(FILL, { flags: { RELU: true } }) };
    await assertRejects(() => encoder.run([unknownFlag]), Error, /kernel fill has no flag RELU/);
    expect((await encoder.run([good])).submits).toBe(1);
    gpu.pool.destroy(y);
    dispose();
  });
});
