/** The library's Gpu as the tests use it: shared, and strict about errors. */
import { it } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { testAdapter, withErrorScopes } from './adapter.ts';
import { forcedTraits, forcedVariant } from './forced.ts';

/** How every test asks for a Gpu that it compares with the shared one; see asForced(). */
export const TEST_GPU = { forceVariant: forcedVariant, tuningStore: false } as const;

/** The Gpu, with the traits that --force-variant makes up. */
export function asForced(gpu: Gpu): Gpu {
  if (forcedTraits) Object.defineProperty(gpu, 'traits', { value: { ...gpu.traits, ...forcedTraits } });
  return gpu;
}

const shared = new Map<string, Promise<Gpu>>();

/**
 * The Gpu that all tests of a file share, since compiled kernels are most of a test's time.
 *
 * @param limits what the adapter can do, or only what WebGPU guarantees
 */
export function testGpu(limits: 'adapter' | 'default' = 'adapter'): Promise<Gpu> {
  let gpu = shared.get(limits);
  if (!gpu) {
    gpu = testAdapter().then(async (adapter) => asForced(await Gpu.request({ adapter, limits, ...TEST_GPU })));
    shared.set(limits, gpu);
  }
  return gpu;
}

/** A Gpu for the precision 'f16', or the reason why there is none. */
export async function halfGpu(): Promise<Gpu | string> {
  const adapter = await testAdapter();
  if (!adapter.features.has('shader-f16')) return 'the adapter has no shader-f16';
  half ??= Gpu.request({ adapter, precision: 'f16', ...TEST_GPU }).then(asForced);
  return half;
}

let half: Promise<Gpu> | undefined;

/** A test that gets the shared Gpu and fails on any WebGPU error that its commands cause. */
export function gpuTest(name: string, work: (gpu: Gpu) => Promise<void>, timeoutMs?: number): void {
  it(
    name,
    async () => {
      const gpu = await testGpu();
      await withErrorScopes(gpu.device, () => work(gpu));
    },
    timeoutMs,
  );
}
