import { describe, expect, it } from 'vitest';
import { classify } from '../../src/classify.ts';
import { LimitError } from '../../src/errors.ts';
import { explain } from '../../src/explain.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { pictureBands } from '../../src/image/bands.ts';
import type { Model } from '../../src/model.ts';
import { testAdapter, withErrorScopes } from '../harness/adapter.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const limitsOf = (maxStorageBufferBindingSize: number, maxBufferSize = 2 * maxStorageBufferBindingSize) => ({
  maxStorageBufferBindingSize,
  maxBufferSize,
});

describe('pictureBands', () => {
  it('is one band under WebGPU’s default limits for every usual picture', () => {
    const defaults = limitsOf(128 * 2 ** 20);
    expect(pictureBands({ width: 6000, height: 4000 }, defaults)).toEqual([{ firstRow: 0, rows: 4000 }]);
    // 134 million bytes fit, 135 do not.
    expect(pictureBands({ width: 8192, height: 4096 }, defaults)).toHaveLength(1);
    expect(pictureBands({ width: 8192, height: 4097 }, defaults)).toEqual([
      { firstRow: 0, rows: 4096 },
      { firstRow: 4096, rows: 1 },
    ]);
  });

  it('covers every row once, in bands that fit, as few as can be', () => {
    for (const width of [1, 7, 100]) {
      for (const height of [1, 2, 31, 100]) {
        for (const rowsThatFit of [1, 2, 30, 31, 1000]) {
          const limits = limitsOf(4 * width * rowsThatFit + 3);
          const bands = pictureBands({ width, height }, limits);
          expect(bands.length).toBe(Math.ceil(height / rowsThatFit));
          let next = 0;
          for (const { firstRow, rows } of bands) {
            expect(firstRow).toBe(next);
            expect(rows).toBeGreaterThan(0);
            expect(4 * width * rows).toBeLessThanOrEqual(limits.maxStorageBufferBindingSize);
            expect(rows).toBeLessThanOrEqual(bands[0]!.rows);
            next = firstRow + rows;
          }
          expect(next).toBe(height);
        }
      }
    }
  });

  it('names the limit that a single row exceeds', () => {
    const error = (limits: ReturnType<typeof limitsOf>) => {
      try {
        pictureBands({ width: 100, height: 1 }, limits);
      } catch (caught) {
        return caught;
      }
    };
    expect(error(limitsOf(399))).toMatchObject({ limit: 'maxStorageBufferBindingSize', needed: 400, available: 399 });
    expect(error(limitsOf(400, 300))).toMatchObject({ limit: 'maxBufferSize', needed: 400, available: 300 });
    expect(error(limitsOf(399))).toBeInstanceOf(LimitError);
    expect(error(limitsOf(400))).toBeUndefined();
  });
});

describe('a picture larger than a binding', () => {
  const vgg = smallVgg({ name: 'vgg11' });
  const picture = noisyPicture(5, 301, 97);

  /**
   * Works with a Gpu that believes, once the model is loaded, in a smaller limit than its device has: a device itself
   * never has less than 128 MiB, which would take a picture of 33 million pixels.
   */
  async function withLimit<T>(
    maxStorageBufferBindingSize: number,
    work: (model: Model, gpu: Gpu) => Promise<T>,
  ): Promise<T> {
    const adapter = await testAdapter();
    const device = await adapter.requestDevice();
    const gpu = Gpu.fromDevice(device, adapter.info);
    const model = await loadSmallVgg(gpu, vgg);
    Object.defineProperty(gpu, 'limits', { value: limitsOf(maxStorageBufferBindingSize) });
    const result = await withErrorScopes(device, () => work(model, gpu));
    gpu.dispose();
    device.destroy();
    return result;
  }

  async function results(model: Model) {
    const result = await explain(model, picture, { layerName: 'block3_conv1', fit: 'crop' });
    const overlay = await result.overlay({ opacity: 0.7 });
    return { map: result.map.data, predictions: await classify(model, picture), overlay };
  }

  it('gives the same bits and the same overlay in bands', async () => {
    const pictureBytes = picture.data.length;
    const whole = await withLimit(2 * pictureBytes, results);
    for (const rowsThatFit of [33, 40, 96]) {
      const limit = 4 * 301 * rowsThatFit + 100;
      expect(limit).toBeLessThan(pictureBytes);
      const inBands = await withLimit(limit, results);
      assertSameBits(inBands.map, whole.map, { what: `map, bands of ${rowsThatFit}` });
      expect(inBands.predictions).toEqual(whole.predictions);
      expect(inBands.overlay).toEqual(whole.overlay);
    }
  });

  it('that is too long even for that is an error that says so', async () => {
    await withLimit(40_000, async (model, gpu) => {
      const before = gpu.memory.currentBytes;
      const scroll = noisyPicture(6, 1, 200);
      const error = await assertRejects(() => classify(model, scroll), LimitError, /resized rows of the picture/);
      expect(error).toMatchObject({
        limit: 'maxStorageBufferBindingSize',
        needed: 200 * 32 * 3 * 4,
        available: 40_000,
      });
      expect(gpu.memory.currentBytes - before).toBeLessThan(100_000);
      await classify(model, noisyPicture(6, 20, 20));
    });
  });
});
