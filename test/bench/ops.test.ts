import { describe, expect, it } from 'vitest';
import { OPS } from '../../bench/ops.ts';
import { Workbench } from '../../bench/workbench.ts';
import type { Gpu, KernelTraits } from '../../src/gpu/gpu.ts';

/** WebGPU's default limit, and the limit of many adapters. */
const BINDING_BYTES = 128 * 2 ** 20;

/** A device that allocates nothing: what the cases bind depends on shapes, n and limits alone. */
function workbench(traits: KernelTraits, samples: number): Workbench {
  const gpu = {
    traits,
    features: new Set(),
    limits: { maxStorageBufferBindingSize: BINDING_BYTES, maxBufferSize: 4 * BINDING_BYTES },
    adapterInfo: { isFallback: traits.isSoftware },
    createBuffer: (_: string, size: number) => ({ size }),
    write: () => {},
  };
  return new Workbench(gpu as unknown as Gpu, samples);
}

const TRAITS: Readonly<Record<string, KernelTraits>> = {
  'a GPU': { subgroupSize: 0, isSoftware: false },
  lavapipe: { subgroupSize: 8, isSoftware: true },
};

describe.each(Object.keys(TRAITS))('the cases of ops, as on %s', (adapter) => {
  // 4 is the default; 25 and 50 are those of the table of targets.
  it.each([1, 4, 25, 50])('fit the bindings of default limits at n = %i', (samples) => {
    const tooLarge = Object.values(OPS).flatMap((op) =>
      op(workbench(TRAITS[adapter]!, samples)).flatMap(({ name, dispatches }) =>
        dispatches.flatMap(({ kernel, bindings }) =>
          Object.entries(bindings)
            .map(([binding, { buffer, size = buffer.size }]) => [binding, size] as const)
            .filter(([, size]) => size > BINDING_BYTES)
            .map(([binding, size]) => `${name}: ${binding} of ${kernel.source.name} has ${size / 2 ** 20} MiB`),
        ),
      ),
    );
    expect(tooLarge).toEqual([]);
  });

  it('have a name each', () => {
    for (const [stem, op] of Object.entries(OPS)) {
      const names = op(workbench(TRAITS[adapter]!, 4)).map(({ name }) => name);
      expect(new Set(names).size, `${stem}: ${names}`).toBe(names.length);
    }
  });
});
