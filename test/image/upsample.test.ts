import { expect } from 'vitest';
import { LimitError, OptionError } from '../../src/errors.ts';
import { upsampleMaps } from '../../src/image/upsample.ts';
import { assertRejects } from '../harness/assertions.ts';
import { gpuTest, testGpu } from '../harness/gpu.ts';

const HEAT = { data: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7), shape: [2, 2, 2] } as const;

gpuTest('enlarged maps that no binding holds are refused by name, and leave nothing behind', async () => {
  const gpu = await testGpu('default');
  await upsampleMaps(gpu, HEAT, { height: 3, width: 5 });
  const before = gpu.memory.currentBytes;
  const tooLarge = () => upsampleMaps(gpu, HEAT, { height: 4097, width: 4096 });
  const error = await assertRejects(tooLarge, LimitError, /^2 heat maps of 4097 × 4096: needs maxStorageBufferBinding/);
  expect(error).toMatchObject({ needed: 2 * 4 * 4097 * 4096, available: 128 * 2 ** 20 });
  expect(gpu.memory.currentBytes).toBeLessThanOrEqual(before);
  expect((await upsampleMaps(gpu, HEAT, { height: 2, width: 2 })).data).toEqual(HEAT.data);
});

gpuTest('a size that is no size is refused', async (gpu) => {
  for (const size of [0, -1, 1.5, Number.NaN, '8' as unknown as number]) {
    await assertRejects(() => upsampleMaps(gpu, HEAT, { height: size, width: 8 }), OptionError, /height: got/);
    await assertRejects(() => upsampleMaps(gpu, HEAT, { height: 8, width: size }), OptionError, /width: got/);
  }
});
