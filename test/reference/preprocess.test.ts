import { describe, expect, it } from 'vitest';
import { assertClose } from '../harness/assertions.ts';
import { random } from '../harness/random.ts';
import { type PreprocessParameters, placement, preprocess, resize, resizeWeights } from './preprocess.ts';
import { tensor } from './tensor.ts';

const FLOAT64 = { tolerance: 1e-14 };
const PLAIN: Omit<PreprocessParameters, 'inputSize'> = {
  fit: 'squash',
  channelOrder: 'rgb',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

describe('resizeWeights', () => {
  it('are the identity at the same size', () => {
    expect(resizeWeights(5, 5).map((row) => [...row])).toEqual(
      Array.from({ length: 5 }, (_, y) => Array.from({ length: 5 }, (_, x) => (x === y ? 1 : 0))),
    );
  });

  it('average over a triangle twice as wide as an output pixel when shrinking', () => {
    // 4 → 2: centres 1 and 3, support 2: heights 3/4, 3/4, 1/4, 0, of sum 7/4.
    const [first, second] = resizeWeights(4, 2);
    assertClose(first!, [3 / 7, 3 / 7, 1 / 7, 0], FLOAT64);
    assertClose(second!, [0, 1 / 7, 3 / 7, 3 / 7], FLOAT64);
    // 6 → 2: centre 1.5, support 3: heights 2/3, 1, 2/3, 1/3 at pixels 0 to 3.
    assertClose(resizeWeights(6, 2)[0]!, [2 / 8, 3 / 8, 2 / 8, 1 / 8, 0, 0], FLOAT64);
  });

  it('interpolate between the two nearest pixels when enlarging, the edges held', () => {
    // 2 → 4: centres 0.25, 0.75, 1.25, 1.75 in input pixels whose own centres are 0.5 and 1.5.
    const weights = resizeWeights(2, 4).map((row) => [...row]);
    expect(weights).toEqual([
      [1, 0],
      [0.75, 0.25],
      [0.25, 0.75],
      [0, 1],
    ]);
  });

  it('sum to 1, and keep a ramp a ramp away from the edges', () => {
    for (const [input, output] of [
      [17, 5],
      [100, 37],
      [7, 23],
    ] as const) {
      resizeWeights(input, output).forEach((row, index) => {
        expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
        const centre = ((index + 0.5) * input) / output - 0.5;
        const reach = Math.max(1, input / output);
        if (centre - reach < 0 || centre + reach > input - 1) return;
        // Shrinking samples the triangle at whole pixels, so that a ramp is met to within a part of a pixel.
        const found = row.reduce((sum, weight, i) => sum + weight * i, 0);
        expect(Math.abs(found - centre)).toBeLessThan(0.05);
      });
    }
  });
});

describe('resize', () => {
  it('treats rows and columns alike', () => {
    const values = random(4).uniforms(6 * 9);
    const image = tensor([1, 6, 9], values);
    const transposed = tensor(
      [1, 9, 6],
      Array.from({ length: 54 }, (_, i) => values[(i % 6) * 9 + Math.floor(i / 6)]!),
    );
    const resized = resize(image, [4, 13]);
    const resizedTransposed = resize(transposed, [13, 4]);
    const back = Array.from({ length: 52 }, (_, i) => resizedTransposed.data[(i % 13) * 4 + Math.floor(i / 13)]!);
    assertClose(resized.data, back, FLOAT64);
  });

  it('leaves a uniform picture uniform', () => {
    const uniform = tensor([2, 5, 7], new Float64Array(70).fill(42));
    assertClose(resize(uniform, [3, 11]).data, new Float64Array(66).fill(42), FLOAT64);
  });
});

describe('placement', () => {
  it('squashes the whole picture into the input', () => {
    expect(placement('squash', [300, 451], 224)).toEqual({ height: 224, width: 224, top: 0, left: 0 });
  });

  it('crops the centre after bringing the shorter side to 256/224 of the input', () => {
    // 451 · 256 / 300 = 384.85 → 385, of which 80 columns are cut off on the left and 81 on the right.
    expect(placement('crop', [300, 451], 224)).toEqual({ height: 256, width: 385, top: -16, left: -80 });
    expect(placement('crop', [451, 300], 224)).toEqual({ height: 385, width: 256, top: -80, left: -16 });
    // 32 · 256 / 224 = 36.57 → 37
    expect(placement('crop', [50, 50], 32)).toEqual({ height: 37, width: 37, top: -2, left: -2 });
  });

  it('pads the shorter side around the middle', () => {
    // 300 · 224 / 451 = 149.00 → 149, with 37 free rows above and 38 below.
    expect(placement('pad', [300, 451], 224)).toEqual({ height: 149, width: 224, top: 37, left: 0 });
    expect(placement('pad', [1000, 1], 8)).toEqual({ height: 8, width: 1, top: 0, left: 3 });
  });
});

describe('preprocess', () => {
  /** 2 × 2, with an alpha that must not matter. */
  const pixels = Uint8Array.of(10, 20, 30, 255, 40, 50, 60, 0, 70, 80, 90, 7, 100, 110, 120, 128);

  it('takes pixels of the input’s own size as they are', () => {
    const input = preprocess(pixels, [2, 2], { ...PLAIN, inputSize: 2 });
    expect(input.shape).toEqual([3, 2, 2]);
    expect([...input.data]).toEqual([10, 40, 70, 100, 20, 50, 80, 110, 30, 60, 90, 120]);
  });

  it('scales, subtracts the mean and divides, channel by channel in the network’s own order', () => {
    const input = preprocess(pixels, [2, 2], {
      ...PLAIN,
      inputSize: 2,
      channelOrder: 'bgr',
      scale: 0.5,
      mean: [1, 2, 3],
      std: [1, 2, 4],
    });
    assertClose(input.data, [14, 29, 44, 59, 4, 11.5, 19, 26.5, 0.5, 4.25, 8, 11.75], FLOAT64);
  });

  it('fills what a padded picture leaves free with 0, the mean', () => {
    const wide = Uint8Array.of(8, 8, 8, 255, 8, 8, 8, 255);
    const input = preprocess(wide, [1, 2], { ...PLAIN, fit: 'pad', inputSize: 4, mean: [3, 4, 5] });
    const free = [0, 0, 0, 0];
    expect([...input.data.subarray(0, 16)]).toEqual([...free, 5, 5, 5, 5, 5, 5, 5, 5, ...free]);
    expect([...input.data.subarray(32)]).toEqual([...free, 3, 3, 3, 3, 3, 3, 3, 3, ...free]);
  });

  it('shows the middle of a cropped picture', () => {
    // A ramp along 16 columns, resized to 8 rows by 16 columns for an input of 7, cut at column 4.
    const ramp = Uint8Array.from({ length: 8 * 16 * 4 }, (_, i) => Math.floor(i / 4) % 16);
    const input = preprocess(ramp, [8, 16], { ...PLAIN, fit: 'crop', inputSize: 7 });
    assertClose(input.data.subarray(0, 7), [4, 5, 6, 7, 8, 9, 10], FLOAT64);
  });

  it('refuses pixels that do not fill the picture', () => {
    expect(() => preprocess(pixels, [2, 3], { ...PLAIN, inputSize: 2 })).toThrow('24 values, not 16');
  });
});
