/** One picture through the whole way: explained on the GPU, enlarged, measured. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluatePicture, type MethodVariant } from '../../src/evaluate/evaluate.ts';
import type { GroundTruth } from '../../src/evaluate/ground-truth.ts';
import { explain } from '../../src/explain.ts';
import { loadModel, type Model } from '../../src/model.ts';
import { drawScene } from '../../src/scenes/scene.ts';
import { testGpu } from '../harness/gpu.ts';
import { tensor } from '../reference/tensor.ts';
import { upsample } from '../reference/upsample.ts';

let model: Model;
beforeAll(async () => {
  model = await loadModel(await testGpu(), 'vgg11', {
    weights: { random: 5 },
    width: 1 / 16,
    classes: 10,
    inputSize: 64,
  });
});
afterAll(() => model?.dispose());

const SIZE = { width: 96, height: 60 };
const drawn = drawScene(3, { size: 96 });
const picture = { ...SIZE, data: drawn.data.subarray(0, 4 * SIZE.width * SIZE.height) };
/** The object is a block left of the middle. */
const block = { left: 20, top: 10, width: 25, height: 30 };
const truth: GroundTruth = { ...SIZE, instances: [{ ...block, mask: new Uint8Array(25 * 30).fill(1) }] };
const METHODS: MethodVariant[] = [
  { name: 'plus', options: { method: 'grad-cam++' } },
  { name: 'smooth', options: { method: 'smooth-grad-cam++', nSamples: 2, stdDev: 0.3, seed: 9 } },
];

describe('a picture', () => {
  it.each([undefined, 7])('is measured by the map that explain() gives for class %s', async (classIndex) => {
    const result = await evaluatePicture(model, picture, truth, METHODS, { classIndex, threshold: 0.5 });
    expect(result).toMatchObject({ instances: 1, objectShare: (25 * 30) / (96 * 60) });
    for (const [m, { options }] of METHODS.entries()) {
      const explained = await explain(model, picture, { ...options, classIndex });
      expect(result!.classIndex).toBe(explained.classIndex);
      expect(result!.predictedIndex).toBe(explained.predictions[0]!.classIndex);
      const [, height, width] = explained.map.shape;
      const small = { ...tensor([height, width]), data: Float64Array.from(explained.map.data) };
      const heat = upsample(small, [SIZE.height, SIZE.width]).data;
      expect(result!.maps[m]!.outcome).toBe(explained.outcome);
      expect(result!.maps[m]!.energy).toBeCloseTo(shareOnBlock(heat), 6);
    }
  });

  it('is measured on the part that the network saw', async () => {
    const [cropped] = (await evaluatePicture(
      model,
      picture,
      truth,
      [{ name: 'crop', options: { method: 'grad-cam++', fit: 'crop' } }],
      { classIndex: 7, threshold: 0.5 },
    ))!.maps;
    const explained = await explain(model, picture, { method: 'grad-cam++', fit: 'crop', classIndex: 7 });
    // The view is 7/8 of the shorter side: 52.5 pixels, from column 21.75 and row 3.75 on, as far as rounding goes.
    const [, height, width] = explained.map.shape;
    const small = { ...tensor([height, width]), data: Float64Array.from(explained.map.data) };
    const view = upsample(small, [52, 52]).data;
    let [sum, onBlock] = [0, 0];
    view.forEach((value, i) => {
      const [x, y] = [22 + (i % 52), 4 + Math.floor(i / 52)];
      sum += value;
      if (isOnBlock(x, y)) onBlock += value;
    });
    expect(Math.abs(cropped!.energy - onBlock / sum)).toBeLessThan(0.03);
  });

  it('without an object has no measures', async () => {
    const nothing = { ...SIZE, instances: [] };
    expect(await evaluatePicture(model, picture, nothing, METHODS, { threshold: 0.5 })).toBeUndefined();
  });

  it('must have the size of its ground truth', async () => {
    const turned = { ...truth, width: 60, height: 96 };
    await expect(evaluatePicture(model, picture, turned, METHODS, { threshold: 0.5 })).rejects.toThrow(
      /ground truth of 60 × 96 pixels for a picture of 96 × 60/,
    );
  });
});

function isOnBlock(x: number, y: number): boolean {
  const { left, top, width, height } = block;
  return x >= left && x < left + width && y >= top && y < top + height;
}

function shareOnBlock(heat: ArrayLike<number>): number {
  let [sum, onBlock] = [0, 0];
  for (let i = 0; i < heat.length; i++) {
    sum += heat[i]!;
    if (isOnBlock(i % SIZE.width, Math.floor(i / SIZE.width))) onBlock += heat[i]!;
  }
  return onBlock / sum;
}
