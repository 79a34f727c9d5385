/** What a result keeps on the GPU: other heat maps of the same feature maps, without the network. */
import { describe, expect } from 'vitest';
import { OptionError, ReleasedError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { Explanation } from '../../src/explanation.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { METHOD_ROWS, METHODS, needsPooledLayer } from '../../src/methods.ts';
import type { Model } from '../../src/model.ts';
import type { ExplainOptions, SelectionOptions } from '../../src/options.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const VGG = smallVgg({ name: 'vgg11', inputSize: 64 });
const PICTURE = noisyPicture(5, 64);
const LAYER = 'block4_conv2';
const SELECTIONS: SelectionOptions[] = [
  {},
  { filters: [3, 0, 17] },
  { filters: [3, 0, 17], combineFilters: 'sum' },
  { subset: [[1, 2]] },
  {
    filters: [5],
    region: true,
    subset: [
      [3, 1],
      [0, 2],
    ],
  },
];

function modelTest(name: string, work: (model: Model, gpu: Gpu) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model, gpu);
  });
}

function explainPicture(model: Model, options: ExplainOptions = {}): Promise<Explanation> {
  return explain(model, PICTURE, { layerName: LAYER, classIndex: 2, ...options });
}

describe('combine', () => {
  const ofAnyLayer = METHODS.filter(
    (name) => METHOD_ROWS[name].place === 'layer' && !needsPooledLayer(METHOD_ROWS[name]),
  );
  for (const method of ofAnyLayer) {
    modelTest(`makes the maps that explain() makes: ${method}`, async (model) => {
      const nSamples = METHOD_ROWS[method].needsGradient ? 3 : 0;
      const result = await explainPicture(model, { method, nSamples });
      for (const selection of SELECTIONS) {
        const combined = await result.combine(selection);
        const expected = await explainPicture(model, { method, nSamples, ...selection });
        expect(combined.map.shape).toEqual(expected.map.shape);
        assertSameBits(combined.signed.data, expected.signed.data, { what: `${JSON.stringify(selection)}, signed` });
        assertSameBits(combined.map.data, expected.map.data, { what: JSON.stringify(selection) });
        expect(combined.outcome).toBe(expected.outcome);
      }
    });
  }

  modelTest('knows each class of several by its own weights', async (model) => {
    const results = await explain(model, PICTURE, { layerName: LAYER, classIndex: [1, 4], nSamples: 2 });
    results[0]!.release();
    const alone = await explainPicture(model, { classIndex: 4, nSamples: 2, filters: [7] });
    assertSameBits((await results[1]!.combine({ filters: [7] })).signed.data, alone.signed.data);
    await assertRejects(() => results[0]!.combine(), ReleasedError, /released/);
  });

  modelTest('has no feature maps of a method at the input, and holds no memory for them', async (model, gpu) => {
    const result = await explain(model, PICTURE, { method: 'gradient', keep: true });
    await assertRejects(() => result.combine(), OptionError, /combine\(\): Gradient weights no feature maps/);
    await assertRejects(() => result.topFilters(3), OptionError, /one of a layer for topFilters\(\)/);
    result.release();
    await explain(model, PICTURE, { method: 'gradient' });
    const steady = gpu.memory.currentBytes;
    await explain(model, PICTURE, { method: 'gradient' });
    expect(gpu.memory.currentBytes).toBe(steady);
    expect(steady).toBeGreaterThan(0);
  });

  modelTest('refuses what the layer does not have', async (model) => {
    const result = await explainPicture(model);
    for (const [selection, message] of [
      [{ filters: [32] }, /filters: got 32; .*block4_conv2 has 32 maps of 8 × 8 cells/],
      [{ filters: [] }, /filters: got \[\]/],
      [{ region: true }, /region goes with subset/],
      [{ subset: [[0, 8]] }, /subset column: got 8/],
      [{ layerName: 'block1_conv1' }, /layerName: .*combine\(\) takes filters/],
    ] as const) {
      await assertRejects(() => result.combine(selection as SelectionOptions), OptionError, message);
    }
  });
});

describe('topFilters', () => {
  modelTest('ranks by what each feature map adds to the sum', async (model) => {
    for (const within of [
      {},
      {
        region: true,
        subset: [
          [0, 0],
          [3, 3],
        ],
      },
    ] as const) {
      const result = await explainPicture(model, { nSamples: 2 });
      const all = Array.from({ length: 32 }, (_, k) => k);
      const each = await explainPicture(model, { nSamples: 2, filters: all, ...within });
      const sums = all.map((k) =>
        each.signed.data.subarray(k * 64, (k + 1) * 64).reduce((sum, value) => sum + value, 0),
      );
      const order = all.toSorted((a, b) => sums[b]! - sums[a]! || a - b);
      const top = await result.topFilters(5, within);
      expect(top.map(({ filter }) => filter)).toEqual(order.slice(0, 5));
      for (const { filter, contribution } of top) expect(contribution).toBeCloseTo(sums[filter]!, 6);
      expect(await result.topFilters(1000, within)).toHaveLength(32);
    }
  });

  modelTest('refuses a number that is none', async (model) => {
    const result = await explainPicture(model);
    for (const k of [0, 1.5, Number.NaN]) await assertRejects(() => result.topFilters(k), OptionError, /k: got/);
  });
});

describe('what a result keeps', () => {
  modelTest('is that of the last eight results, unless it is held', async (model) => {
    const held = await explainPicture(model, { keep: true });
    const results: Explanation[] = [];
    for (let seed = 0; seed < 9; seed++) results.push(await explainPicture(model, { seed }));
    await assertRejects(() => results[0]!.combine(), ReleasedError, /last 8 results .* keep: true/);
    assertSameBits((await results[1]!.combine()).signed.data, results[1]!.signed.data);
    assertSameBits((await held.combine()).signed.data, held.signed.data);
    held.release();
  });

  modelTest('is that of the last eight of a call with more', async (model) => {
    const layerName = model.layerNames.filter((name) => name.startsWith('block')).slice(-9);
    const results = await explain(model, PICTURE, { layerName });
    await assertRejects(() => results[0]!.combine(), ReleasedError, /last 8 results .* keep: true/);
    assertSameBits((await results[1]!.combine()).signed.data, results[1]!.signed.data);
    const held = await explain(model, PICTURE, { layerName, keep: true });
    assertSameBits((await held[0]!.combine()).signed.data, held[0]!.signed.data);
    for (const each of held) each.release();
  });

  modelTest('goes with release(), more than once, and is not kept with keep: false', async (model) => {
    const result = await explainPicture(model);
    result.release();
    result.release();
    await assertRejects(() => result.topFilters(1), ReleasedError, /released/);
    const bare = await explainPicture(model, { keep: false });
    await assertRejects(() => bare.combine(), ReleasedError, /keep: true/);
  });

  modelTest('takes no more memory however many follow', async (model, gpu) => {
    // Eight results, then two rounds in which the pool forgets what none of them needs.
    for (let i = 0; i < 10; i++) await explainPicture(model);
    const steady = gpu.memory.currentBytes;
    for (let i = 0; i < 20; i++) await explainPicture(model);
    expect(gpu.memory.currentBytes).toBe(steady);
  });

  gpuTest('is freed with the model', async (gpu) => {
    const model = await loadSmallVgg(gpu, VGG);
    const result = await explainPicture(model);
    model.dispose();
    await assertRejects(() => result.combine(), ReleasedError, /no longer on the GPU/);
  });
});
