/** One result against another: the difference of two maps, and colours that tell for from against. */
import { describe, expect } from 'vitest';
import { differenceMap } from '../../src/difference.ts';
import { OptionError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import type { Model } from '../../src/model.ts';
import type { AnyExplainOptions, ExplainOptions } from '../../src/options.ts';
import { explainProgressively } from '../../src/progressive.ts';
import { trace } from '../../src/trace.ts';
import { assertClose, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';
import { largestSize, shareOfMaximum } from '../reference/fusion.ts';
import { tensor } from '../reference/tensor.ts';
import { assertExplains, type ReferenceCase } from './oracle.ts';

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
    await assertRejects(
      () => result.overlay({ heat: { data: heat.data, shape: [1, 2, 3] } }),
      OptionError,
      /heat: got 3; allowed: 1 × 2 × 3 values for the shape \[1, 2, 3\]/,
    );
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

describe('contrast', () => {
  const REFERENCE: ReferenceCase = { vgg: VGG, layout: 'torchvision', picture: PICTURE };
  const CONTRAST = { classIndex: 3, contrast: 7 } as const;
  const NOISE = { nSamples: 3, stdDev: 0.1, seed: 4 } as const;

  modelTest('gives the oracle’s map of S_a − S_b', async (model) => {
    const cases: ExplainOptions[] = [
      { method: 'grad-cam', layerName: 'block4_conv2', ...NOISE },
      { method: 'hires-cam', layerName: 'block3_conv1' },
      { method: 'layer-cam', layerName: 'block2_pool', ...NOISE, score: 'sigmoid' },
      { method: 'smooth-grad-cam++', layerName: 'block5_conv2', ...NOISE },
      { method: 'smooth-grad-cam++', layerName: 'block5_conv2', ...NOISE, score: 'sigmoid' },
      { method: 'xgrad-cam', layerName: 'block4_conv2', ...NOISE, sampleWeights: 'score' },
      { method: 'gradient-x-input', score: 'logit' },
      { method: 'smooth-grad', ...NOISE },
      // At these points no ReLU is within float32's rounding of its switch.
      { method: 'integrated-gradients', steps: 20 },
    ];
    for (const options of cases)
      await assertExplains(model, REFERENCE, { ...options, ...CONTRAST, score: options.score });
  });

  modelTest('is the difference of two signed maps where these are linear in the gradient', async (model) => {
    const call = { method: 'grad-cam', layerName: ['block4_conv2', 'block5_conv2'], ...NOISE } as const;
    const contrasted = await explain(model, PICTURE, { ...call, ...CONTRAST });
    const [a, b] = [
      await explain(model, PICTURE, { ...call, classIndex: 3 }),
      await explain(model, PICTURE, { ...call, classIndex: 7 }),
    ];
    for (const [i, { signed, options, logit, predictions }] of contrasted.entries()) {
      const expected = a[i]!.signed.data.map((value, cell) => value - b[i]!.signed.data[cell]!);
      assertClose(signed.data, expected, { tolerance: 2e-6, shape: signed.shape });
      expect(options).toMatchObject(CONTRAST);
      // What the network says of the class does not depend on the question.
      expect([logit, predictions]).toEqual([a[i]!.logit, a[i]!.predictions]);
    }
  });

  modelTest('makes up the difference of the gains along a path', async (model) => {
    const call = { method: 'integrated-gradients', steps: 20 } as const;
    const { completeness } = await explain(model, PICTURE, { ...call, ...CONTRAST, steps: 200, score: 'sigmoid' });
    expect(Math.abs(completeness!.gap)).toBeLessThan(0.02 * Math.abs(completeness!.gained));
    const [a, b, difference] = await Promise.all(
      [{ classIndex: 3 }, { classIndex: 7 }, CONTRAST].map((options) =>
        explain(model, PICTURE, { ...call, ...options }),
      ),
    );
    const gained = a!.completeness!.gained - b!.completeness!.gained;
    expect(difference!.completeness!.gained).toBeCloseTo(gained, 5);
  });

  modelTest('is refused where it is the class that the network chooses', async (model) => {
    const { classIndex } = await explain(model, PICTURE, { method: 'grad-cam' });
    const message = new RegExp(
      `contrast: got ${classIndex}; allowed: another class .*most probable, class ${classIndex}:`,
    );
    const layers = ['block4_conv2', 'block5_conv2'];
    const done: number[] = [];
    const call = {
      contrast: classIndex,
      nSamples: 3,
      batch: 1,
      onProgress: (p: { done: number }) => done.push(p.done),
    };
    const calls: (() => Promise<unknown>)[] = [
      () => explain(model, PICTURE, call),
      () => explain(model, PICTURE, { ...call, layerName: layers, fusion: 'max' }),
      () => explain(model, PICTURE, { ...call, method: 'smooth-grad', score: 'logit' }),
      () => trace(model, PICTURE, { ...call, layers }),
      () => explainProgressively(model, PICTURE, call).next(),
    ];
    for (const each of calls) await assertRejects(each, OptionError, message);
    // Before a way back that would be for nothing.
    expect(done.filter((rows) => rows > 1)).toEqual([]);
    const other = (classIndex + 1) % model.classCount;
    expect((await explain(model, PICTURE, { ...call, contrast: other })).classIndex).toBe(classIndex);
  });

  modelTest('is refused where it means nothing', async (model) => {
    for (const [options, message] of [
      [{ contrast: 10 }, /contrast: got 10; allowed: a whole number from 0 to 9/],
      [{ contrast: 3, classIndex: 3 }, /contrast: got 3; allowed: another class/],
      [{ contrast: 3, classIndex: [1, 3] }, /contrast: got 3; allowed: another class/],
      [{ contrast: 3, method: 'eigen-cam' }, /contrast: .*Eigen-CAM takes no gradient/],
      [{ contrast: 3, method: 'score-cam' }, /contrast: .*Score-CAM takes no gradient/],
      [{ contrast: 3, method: 'guided-backprop' }, /contrast: .*Guided backpropagation takes no gradient of a score/],
      [{ contrast: 3, score: 'softmax' }, /contrast: .*score softmax, .*exp, logit, sigmoid/],
    ] as const) {
      await assertRejects(() => explain(model, PICTURE, options as AnyExplainOptions), OptionError, message);
    }
  });
});
