import { describe, expect, it } from 'vitest';
import gridLib from '../../shaders/lib/grid.wgsl?raw';
import { ShaderError } from '../../src/errors.ts';
import { type KernelSource, kernel } from '../../src/gpu/kernel.ts';
import { PipelineCache } from '../../src/gpu/pipelines.ts';
import { testAdapter, withErrorScopes } from '../harness/adapter.ts';
import { assertRejects } from '../harness/assertions.ts';
import { FILL } from './fill-kernel.ts';

/** A device that counts the pipelines it is asked for. */
async function countingDevice(): Promise<{ device: GPUDevice; created: () => number }> {
  const device = await (await testAdapter()).requestDevice();
  let created = 0;
  const create = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = (descriptor) => {
    created++;
    return create(descriptor);
  };
  return { device, created: () => created };
}

/** A test with a cache of its own. */
function cacheTest(
  name: string,
  work: (cache: PipelineCache, created: () => number, device: GPUDevice) => Promise<void>,
): void {
  it(name, async () => {
    const { device, created } = await countingDevice();
    await withErrorScopes(device, () => work(new PipelineCache(device), created, device));
    device.destroy();
  });
}

const BROKEN: KernelSource = {
  name: 'broken',
  code: `${FILL.code}\nfn wrong() -> u32 {\n  return 1.5f;\n}\n`,
  libs: [gridLib],
  flags: FILL.flags,
};

describe('PipelineCache', () => {
  cacheTest('compiles a variant once, and shares it while it is being compiled', async (cache, created) => {
    const [a, b] = await Promise.all([cache.get(kernel(FILL)), cache.get(kernel(FILL))]);
    expect(a).toBe(b);
    expect(await cache.get(kernel(FILL, { flags: { TWICE: false } }))).toBe(a);
    expect(created()).toBe(1);
    expect(cache.size).toBe(1);
    expect(a.label).toBe('fill');
    expect([...a.interface.storage.keys()]).toEqual(['y']);
  });

  cacheTest('tells variants apart by text and constants, not by name or order', async (cache, created) => {
    const variants = [
      kernel(FILL),
      kernel(FILL, { flags: { TWICE: true } }),
      kernel(FILL, { constants: { STEP: 2 } }),
      kernel(FILL, { constants: { STEP: 2, START: 1 } }),
      kernel({ ...FILL, code: `${FILL.code}\n// edited` }),
    ];
    const compiled = await Promise.all(variants.map((variant) => cache.get(variant)));
    expect(new Set(compiled).size).toBe(5);
    expect(created()).toBe(5);
    const reordered = kernel({ ...FILL, name: 'another name' }, { constants: { START: 1, STEP: 2 } });
    expect(await cache.get(reordered)).toBe(compiled[3]);
    expect(created()).toBe(5);
  });

  cacheTest('expands a variant’s text once', async (cache) => {
    let reads = 0;
    const counting: KernelSource = {
      ...FILL,
      get code() {
        reads++;
        return FILL.code;
      },
    };
    const [plain, twice] = [kernel(counting), kernel(counting, { flags: { TWICE: true } })];
    for (let i = 0; i < 3; i++) await Promise.all([cache.get(plain), cache.get(kernel(counting)), cache.get(twice)]);
    expect(reads).toBe(2);
    expect(await cache.get(plain)).toBe(await cache.get(kernel(FILL)));
    expect(cache.size).toBe(2);
  });

  cacheTest('forgets what did not compile', async (cache, created) => {
    const failing = () => cache.get(kernel(BROKEN));
    await Promise.all([failing, failing].map((get) => assertRejects(get, ShaderError, /broken/)));
    expect(created()).toBe(1);
    expect(cache.size).toBe(0);
    await assertRejects(failing, ShaderError, /broken/);
    expect(created()).toBe(2);
  });

  cacheTest('shows kernel, variant, line and source of an error', async (cache) => {
    const broken = kernel(BROKEN, { flags: { TWICE: true }, constants: { STEP: 3 } });
    const error = await assertRejects(
      () => cache.get(broken),
      ShaderError,
      /kernel broken\[TWICE,STEP=3\] did not compile/,
    );
    expect(error.message).toMatch(
      /line \d+, column \d+: .*\n +\d+ \| fn wrong\(\) -> u32 \{\n> +\d+ \| {3}return 1\.5f;/,
    );
    expect((error as ShaderError).code).toBe('shader');
    // The line's number is that of the expanded text.
    const [, line] = error.message.match(/line (\d+),/)!;
    expect(error.message).toContain(`> ${line!.padStart(4)} |   return 1.5f;`);
  });

  cacheTest('reports constants that the kernel does not have', async (cache) => {
    const unknown = kernel(FILL, { constants: { TILE: 3 } });
    await assertRejects(() => cache.get(unknown), ShaderError, /kernel fill\[TILE=3\] did not compile: .*TILE/s);
  });

  cacheTest('leaves no error of its own on the device', async (cache, _, device) => {
    let uncaptured = 0;
    device.addEventListener('uncapturederror', () => uncaptured++);
    await assertRejects(() => cache.get(kernel(BROKEN)), ShaderError, /broken/);
    await device.queue.onSubmittedWorkDone();
    expect(uncaptured).toBe(0);
  });
});
