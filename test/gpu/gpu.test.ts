import { describe, expect, it } from 'vitest';
import { AbortError, GpuUnavailableError, LimitError, OptionError } from '../../src/errors.ts';
import { describeAdapter, Gpu, type GpuRequestOptions } from '../../src/gpu/gpu.ts';
import { Workspace } from '../../src/gpu/workspace.ts';
import { testAdapter } from '../harness/adapter.ts';
import { assertRejects, assertSameBits } from '../harness/assertions.ts';
import { gpuTest, halfGpu, testGpu } from '../harness/gpu.ts';
import { fill } from './fill-kernel.ts';

const FLOATS = Float32Array.from({ length: 300 }, (_, i) => i / 7);

describe('Gpu.request', () => {
  it('asks for what the adapter can do, or stays at what WebGPU guarantees', async () => {
    const adapter = await testAdapter();
    const { limits } = await testGpu('adapter');
    expect(limits.maxBufferSize).toBe(adapter.limits.maxBufferSize);
    expect(limits.maxStorageBufferBindingSize).toBe(adapter.limits.maxStorageBufferBindingSize);
    const defaults = (await testGpu('default')).limits;
    expect(defaults.maxBufferSize).toBe(256 * 2 ** 20);
    expect(defaults.maxStorageBufferBindingSize).toBe(128 * 2 ** 20);
  });

  it('refuses options that it does not know', async () => {
    const options = { limit: 'default' } as GpuRequestOptions;
    await assertRejects(() => Gpu.request(options), OptionError, /limit: got "default"; allowed: limits; Gpu\.request/);
  });

  it('refuses limits that there are not', async () => {
    const options = { adapter: await testAdapter(), limits: 'max' as 'adapter' };
    await assertRejects(() => Gpu.request(options), OptionError, /limits: got "max"; allowed: adapter or default/);
  });

  it('describes its adapter', async () => {
    const { adapterInfo, traits, features } = await testGpu();
    const text = Object.values(adapterInfo).join(' ');
    expect(text.trim()).not.toBe('');
    expect(adapterInfo.isFallback).toBe(/llvmpipe|swiftshader/i.test(text));
    expect(traits.subgroupSize === 0 || features.has('subgroups')).toBe(true);
  });

  it('knows adapters in software that do not call themselves so, and fills in what a driver leaves out', () => {
    const silent = describeAdapter({ vendor: 'mesa', description: 'llvmpipe (LLVM 15.0.6, 256 bits)' });
    expect(silent).toMatchObject({ architecture: '', device: '', isFallback: true });
    expect(describeAdapter({ vendor: 'nvidia', architecture: 'hopper' }).isFallback).toBe(false);
    expect(describeAdapter({ vendor: 'new', isFallbackAdapter: true }).isFallback).toBe(true);
    expect(describeAdapter(undefined)).toMatchObject({ vendor: '', isFallback: false });
  });

  it('says what is missing', async () => {
    const none = { requestAdapter: async () => null } as unknown as GPU;
    await assertRejects(() => Gpu.request({ gpu: none }), GpuUnavailableError, /found no adapter/);
    const navigator = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    try {
      Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true });
      await assertRejects(() => Gpu.request(), GpuUnavailableError, /navigator\.gpu is missing.*requestNodeGpu\(\)/);
    } finally {
      if (navigator) Object.defineProperty(globalThis, 'navigator', navigator);
    }
    const refusing = {
      limits: {},
      features: new Set(),
      requestDevice: () => Promise.reject(new TypeError('no more devices')),
    } as unknown as GPUAdapter;
    const error = await assertRejects(
      () => Gpu.request({ adapter: refusing }),
      GpuUnavailableError,
      /refused a device: no more/,
    );
    expect(error.cause).toBeInstanceOf(TypeError);
  });
});

describe('a device for arithmetic in float16', () => {
  it('has the feature, which no other is given', async ({ skip }) => {
    expect((await testGpu()).features.has('shader-f16')).toBe(false);
    const gpu = await halfGpu();
    if (typeof gpu === 'string') return skip(gpu);
    expect(gpu.features.has('shader-f16')).toBe(true);
  });

  it('is refused where the adapter has none', async () => {
    const adapter = { limits: {}, features: new Set(['subgroups']) } as unknown as GPUAdapter;
    const request = () => Gpu.request({ adapter, precision: 'f16' });
    await assertRejects(
      request,
      OptionError,
      /^precision: got "f16"; allowed: f32, f16-storage: this adapter has no shader-f16/,
    );
    const unknown = () => Gpu.request({ adapter, precision: 'f8' as 'f16' });
    await assertRejects(unknown, OptionError, /^precision: got "f8"; allowed: f32, f16-storage, f16$/);
  });
});

describe('Gpu.read', () => {
  gpuTest('copies slices of buffers, whatever their sizes and offsets', async (gpu) => {
    const buffer = gpu.upload('numbers', FLOATS);
    const [whole, one, middle, odd] = await gpu.read([
      { buffer },
      { buffer, size: 4 },
      { buffer, offset: 256, size: 40 },
      { buffer, offset: 512, size: 5 },
    ]);
    expect(whole!.byteLength).toBe(1280);
    assertSameBits(new Float32Array(whole!).subarray(0, 300), FLOATS);
    assertSameBits(new Float32Array(one!), FLOATS.subarray(0, 1));
    assertSameBits(new Float32Array(middle!), FLOATS.subarray(64, 74));
    expect(new Uint8Array(odd!)).toEqual(new Uint8Array(FLOATS.buffer, 512, 5));
    expect(await gpu.read([])).toEqual([]);
    gpu.pool.destroy(buffer);
  });

  gpuTest('gives copies that later work does not change', async (gpu) => {
    const buffer = gpu.upload('numbers', FLOATS);
    const before = await gpu.readFloats({ buffer, size: 1200 });
    await gpu.run([fill({ buffer }, 300)]);
    assertSameBits(before, FLOATS);
    const after = await gpu.readFloats({ buffer, size: 1200 });
    assertSameBits(
      after,
      FLOATS.map((_, i) => i),
    );
    gpu.pool.destroy(buffer);
  });

  gpuTest('allocates nothing when repeated, and may run twice at once', async (gpu) => {
    const buffer = gpu.upload('numbers', FLOATS);
    const read = () => gpu.readFloats({ buffer, size: 1200 });
    const results = await Promise.all([read(), read(), read()]);
    for (const result of results) assertSameBits(result, FLOATS);
    const held = gpu.memory.currentBytes;
    for (let i = 0; i < 5; i++) await read();
    expect(gpu.memory.currentBytes).toBe(held);
    gpu.pool.destroy(buffer);
  });
});

describe('Gpu.write', () => {
  gpuTest('writes a view’s own elements, at an offset', async (gpu) => {
    const buffer = gpu.createBuffer('numbers', 1200);
    gpu.write(buffer, FLOATS.subarray(3, 5), 8);
    gpu.write(buffer, new Uint8ClampedArray([1, 2, 3, 4]), 16);
    const [bytes] = await gpu.read([{ buffer, size: 24 }]);
    const zero = new Uint8Array(8);
    expect(new Uint8Array(bytes!)).toEqual(
      Uint8Array.of(...zero, ...new Uint8Array(FLOATS.buffer, 12, 8), 1, 2, 3, 4, 0, 0, 0, 0),
    );
    gpu.pool.destroy(buffer);
  });
});

describe('Gpu.run', () => {
  gpuTest('stops at a signal', async (gpu) => {
    const buffer = gpu.upload('numbers', FLOATS);
    const run = () => gpu.run([fill({ buffer }, 300)], { signal: AbortSignal.abort() });
    await assertRejects(run, AbortError, /stopped/);
    assertSameBits(await gpu.readFloats({ buffer, size: 1200 }), FLOATS);
    gpu.pool.destroy(buffer);
  });

  gpuTest('tells its time on the GPU where the device can', async (gpu) => {
    const buffer = gpu.upload('numbers', FLOATS);
    const held = gpu.memory.currentBytes;
    const { submits, gpuMs } = await gpu.run([fill({ buffer }, 300)], { timed: true });
    expect(submits).toBe(1);
    if (gpu.features.has('timestamp-query')) expect(gpuMs).toBeGreaterThanOrEqual(0);
    else expect(gpuMs).toBeUndefined();
    expect((await gpu.run([fill({ buffer }, 300)])).gpuMs).toBeUndefined();
    for (let i = 0; i < 3; i++) await gpu.run([fill({ buffer }, 300)], { timed: true });
    expect(gpu.memory.currentBytes - held).toBeLessThan(4096);
    gpu.pool.destroy(buffer);
  });
});

describe('a run that is timed', () => {
  gpuTest('leaves no queries behind, whether it ends well or not', async (gpu) => {
    const made: { isDestroyed: boolean }[] = [];
    const stop = new AbortController();
    const timing = pretendingDevice(gpu.device, {
      features: new Set(['timestamp-query']),
      createQuerySet: () => {
        const set = { isDestroyed: false, destroy: () => Object.assign(set, { isDestroyed: true }) };
        if (made.push(set) === 2) stop.abort();
        return set;
      },
    });
    await timing.run([], { timed: true });
    const buffer = gpu.upload('numbers', FLOATS);
    const stopped = () => timing.run([fill({ buffer }, 300)], { timed: true, signal: stop.signal });
    await assertRejects(stopped, AbortError, /stopped/);
    expect(made).toMatchObject([{ isDestroyed: true }, { isDestroyed: true }]);
    gpu.pool.destroy(buffer);
  });
});

describe('Gpu.guard', () => {
  gpuTest('turns a refused command into an error, once', async (gpu) => {
    const refused = () =>
      gpu.guard(async () => {
        gpu.device.createBuffer({ size: 4, usage: 0x1 | 0x80 });
      });
    await assertRejects(refused, Error, /the GPU refused a command: /);
    expect(await gpu.guard(async () => 'fine')).toBe('fine');
  });

  gpuTest('passes on what the work throws, and lets the next one in', async (gpu) => {
    const failing = () =>
      gpu.guard(async () => {
        throw new RangeError('of its own');
      });
    const [, value] = await Promise.all([assertRejects(failing, RangeError, /of its own/), gpu.guard(async () => 7)]);
    expect(value).toBe(7);
  });

  gpuTest('runs guarded work one after the other', async (gpu) => {
    const order: string[] = [];
    const job = (name: string) =>
      gpu.guard(async () => {
        order.push(`${name} begins`);
        await gpu.device.queue.onSubmittedWorkDone();
        order.push(`${name} ends`);
      });
    await Promise.all([job('a'), job('b')]);
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('turns exhausted memory into a LimitError', async () => {
    const gpu = await testGpu();
    const outOfMemory = new (class GPUOutOfMemoryError {
      message = 'no room';
    })();
    // No adapter here runs out on demand: the device is made to say so.
    let pops = 0;
    const tight = pretendingDevice(gpu.device, {
      popErrorScope: async () => (pops++ % 3 === 1 ? outOfMemory : null),
      pushErrorScope: () => {},
    });
    const work = async () => {
      const workspace = new Workspace(tight, 'job');
      try {
        await tight.guard(async () => workspace.bytes('activations', 4096));
      } finally {
        workspace.release();
      }
    };
    for (const failing of [work, () => tight.read([{ buffer: gpu.pool.acquire('x', 256) }])]) {
      const error = await assertRejects(failing, LimitError, /out of memory \(no room\).*batch/);
      expect(error).toMatchObject({ limit: 'memory', code: 'limit' });
      // What was made without memory is no buffer, and must not be lent again.
      expect(tight.memory.currentBytes).toBe(0);
    }
  });
});

/** A Gpu on a device with some methods or attributes of its own. */
function pretendingDevice(device: GPUDevice, own: Record<string, unknown>): Gpu {
  return Gpu.fromDevice(
    new Proxy(device, {
      get(target, key) {
        if (Object.hasOwn(own, key)) return own[key as string];
        const value = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }),
  );
}
