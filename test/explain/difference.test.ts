/** One result against another: the difference of two maps, and colours that tell for from against. */
import { describe, expect } from 'vitest';
import { differenceMap } from '../../src/difference.ts';
import { explain } from '../../src/explain.ts';
import type { Model } from '../../src/model.ts';
import { assertClose, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';
import { largestSize, shareOfMaximum } from '../reference/fusion.ts';
import { tensor } from '../reference/tensor.ts';

const VGG = smallVgg({ name: 'vgg11', inputSize: 64, seed: 11 });
const PICTURE = noisyPicture(1, 48, 40);

function modelTest(name: string, work: (model: Model) => Promise<void>): void {
  gpuTest(name, async (gpu) => {
    using model = await loadSmallVgg(gpu, VGG);
    await work(model);
  });
}

describe('differenceMap', () => {
  modelTest('is the difference of the shares of the maximum, in the larger size', async (model) => {
    const [a] = await explain(model, PICTURE, { method: 'layer-cam', layerName: ['block3_conv1'], classIndex: [3] });
    const b = await explain(model, PICTURE, { method: 'grad-cam', layerName: 'block5_conv2', classIndex: 1 });
    const difference = differenceMap(a!, b);
    const maps = [a!, b].map(({ map }) => tensor(map.shape, map.data));
    const size = largestSize(maps);
    const [one, other] = maps.map((map) => shareOfMaximum(map, size));
    const expected = one!.data.map((value, i) => value - other!.data[i]!);
    expect(difference.shape).toEqual([1, 16, 16]);
    assertClose(difference.data, expected, { tolerance: 1e-6, scale: 1, shape: [1, 16, 16] });
    expect(Math.min(...difference.data)).toBeLessThan(0);
    assertSameBits(
      differenceMap(b, a!).data,
      difference.data.map((value) => 0 - value),
    );
    expect(differenceMap(b, b).data.every((value) => value === 0)).toBe(true);
  });

  modelTest('is drawn red where the first has more, blue where the second has', async (model) => {
    const result = await explain(model, PICTURE);
    const heat = { data: Float32Array.of(-1, 0, 0.5), shape: [1, 1, 3] as const };
    const at = async (options: object, column: number) => {
      const { data, width } = await result.overlay({ heat, opacity: 1, ...options });
      return [...data.slice(4 * (20 * width + column), 4 * (20 * width + column) + 3)];
    };
    const [blue, white, red] = [0, 24, 47].map((column) => at({ colorMap: 'rdbu' }, column));
    for (const channel of (await white)!) expect(channel).toBeGreaterThan(235);
    const [r, , b] = await blue!;
    expect(b! - r!).toBeGreaterThan(80);
    const [r2, , b2] = await red!;
    expect(r2! - b2!).toBeGreaterThan(80);
    // By PuOr: purple below zero, orange above.
    const [pr, pg, pb] = await at({ colorMap: 'puor' }, 0);
    expect(pb! > pr! && pr! > pg!).toBe(true);
  });

  modelTest('is refused for results that cannot be compared', async (model) => {
    const result = await explain(model, PICTURE, { method: 'grad-cam' });
    const elsewhere = await explain(model, noisyPicture(2, 48, 40), { method: 'grad-cam' });
    const cropped = await explain(model, PICTURE, { method: 'grad-cam', fit: 'crop' });
    const several = await explain(model, PICTURE, { method: 'grad-cam', filters: [1, 2] });
    expect(() => differenceMap(result, elsewhere)).toThrow(/picture: got "sha256-/);
    expect(() => differenceMap(result, cropped)).toThrow(/view: .*the same fit/);
    expect(() => differenceMap(result, several)).toThrow(/maps: got 2; allowed: 1, as many as the other/);
  });
});

describe('a diverging colour map', () => {
  modelTest('shows the signed map, at a layer and at the input', async (model) => {
    for (const method of ['hires-cam', 'gradient-x-input'] as const) {
      const result = await explain(model, PICTURE, { method });
      const sums = new Float32Array(result.map.data.length);
      result.signed.data.forEach((value, i) => {
        sums[i % sums.length]! += value;
      });
      const expected = await result.overlay({ colorMap: 'rdbu', heat: { data: sums, shape: result.map.shape } });
      expect((await result.overlay({ colorMap: 'rdbu' })).data).toEqual(expected.data);
      expect(Math.min(...sums)).toBeLessThan(0);
    }
  });
});
