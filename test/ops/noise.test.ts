import { describe } from 'vitest';
import { inputRange, type Noise, noise } from '../../src/ops/noise.ts';
import { thorough } from '../harness/adapter.ts';
import { assert, assertClose, assertSameBits, FLOAT32_EPSILON } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/noise.ts';
import { tensor } from '../reference/tensor.ts';

interface Rows {
  readonly firstSample: number;
  readonly noisy: number;
  readonly clean: number;
}

async function noisyCopies(op: OpBench, x: Float32Array, settings: Noise, rows: Rows): Promise<Float32Array> {
  const y = op.output((rows.noisy + rows.clean) * x.length);
  const range = op.output(2);
  const input = op.input(x);
  await op.run(inputRange(x.length, { x: input, range }), noise(x.length, settings, rows, { x: input, range, y }));
  return op.floats(y);
}

/** Each value by its own size: the small normals must have their digits too. */
function assertWithinUlps(actual: Float32Array, expected: Float64Array, ulps: number, what: string): void {
  let worst = 0;
  expected.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(actual[i]! - value) / (Math.abs(value) * FLOAT32_EPSILON));
  });
  assert(worst <= ulps, `${what}: off by ${worst} units in the last place; ${ulps} are allowed`);
}

const SEEDS = [0, 1, 2 ** 32 - 1, 2 ** 32, 123_456_789_012_345, 2 ** 53 - 1];

describe('noise', () => {
  // Over an input of zeros the copies are σ z itself, unrounded by an addition.
  for (const seed of thorough ? SEEDS : [SEEDS[0]!, SEEDS[4]!]) {
    opTest(`is Philox's normals to a few units in the last place, seed ${seed}`, async (op) => {
      for (const [elements, firstSample] of [
        [1, 0],
        [3, 7],
        [4, 1],
        [1021, 2 ** 20],
        [30_000, 2],
      ] as const) {
        const settings = { seed, stdDev: 1, relative: false };
        const z = await noisyCopies(op, new Float32Array(elements), settings, { firstSample, noisy: 2, clean: 0 });
        for (const sample of [0, 1]) {
          const expected = reference.standardNormals(seed, firstSample + sample, elements);
          const found = z.subarray(sample * elements, (sample + 1) * elements);
          assertWithinUlps(found, expected, 4, `${elements} normals of sample ${firstSample + sample}`);
        }
      }
    });
  }

  for (const relative of [false, true]) {
    opTest(`is added to copies of the input, ${relative ? 'relative to its range' : 'absolute'}`, async (op) => {
      for (const [elements, noisy, clean] of [
        [1, 1, 1],
        [5, 3, 0],
        [65, 2, 1],
        [3 * 31 * 17, 5, 1],
      ] as const) {
        const x = random(elements).uniforms(elements, -120, 150);
        const settings = { seed: 42, stdDev: 0.15, relative };
        const y = await noisyCopies(op, x, settings, { firstSample: 3, noisy, clean });

        const oracle = tensor([1, 1, elements], x);
        const options = { ...settings, noiseScale: relative ? 'relative' : 'absolute' } as const;
        const expected = reference.noisySamples(oracle, noisy, options, 3);
        assertClose(y.subarray(0, noisy * elements), expected.data, { shape: [noisy, elements], tolerance: 2 ** -22 });
        for (let row = noisy; row < noisy + clean; row++) {
          assertSameBits(y.subarray(row * elements, (row + 1) * elements), x, { what: 'the clean row' });
        }
      }
    });
  }

  opTest('depends on the sample, not on the batch it comes in', async (op) => {
    const x = random(1).normals(203);
    const settings = { seed: 5, stdDev: 0.3, relative: true };
    const whole = await noisyCopies(op, x, settings, { firstSample: 0, noisy: 5, clean: 1 });
    for (const [firstSample, noisy, clean] of [
      [0, 2, 0],
      [2, 1, 0],
      [3, 2, 1],
    ] as const) {
      const part = await noisyCopies(op, x, settings, { firstSample, noisy, clean });
      const expected = whole.subarray(firstSample * x.length, (firstSample + noisy + clean) * x.length);
      assertSameBits(part, expected, { what: `samples from ${firstSample}` });
    }
  });

  for (const elements of [1, 2, 255, 256, 257, 1000]) {
    opTest(`finds the range of ${elements} values`, async (op) => {
      const places = [0, 63, 64, 255, 256, 511, 512, elements >> 1, elements - 1].filter((place) => place < elements);
      for (const place of places) {
        for (const extreme of [-7, 7]) {
          const x = random(elements).uniforms(elements, -3, 3);
          x[place] = extreme;
          const range = op.output(2);
          await op.run(inputRange(elements, { x: op.input(x), range }));
          assertClose(await op.floats(range), [Math.min(...x), Math.max(...x)], {
            what: `range with ${extreme} at ${place}`,
            tolerance: 0,
          });
        }
      }
    });
  }
});
