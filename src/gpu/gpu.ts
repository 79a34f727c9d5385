// For those who use the declarations: GPUDevice and its kin are no part of TypeScript's own DOM types.
/// <reference types="@webgpu/types" preserve="true" />

/** The GPU as the rest of the library sees it: a device, its pipelines, its buffers, and one way to run dispatches. */
import { checkedPrecision } from '../checked-precision.ts';
import { DeviceLostError, OptionError, throwIfAborted, untilAborted } from '../errors.ts';
import { onDemand } from '../on-demand.ts';
import { checkOptionNames } from '../option-names.ts';
import { HALF_FEATURE, type Precision } from '../precision.ts';
import { BufferPool, type BufferSlice, type BufferUse, type Purpose } from './buffers.ts';
import { type Dispatch, Encoder, Pace } from './encoder.ts';
import { IdleWork } from './idle.ts';
import type { Kernel } from './kernel.ts';
import { type CompiledKernel, gpuFailures, PipelineCache } from './pipelines.ts';
import { Tuner, type TunerOptions } from './tuner.ts';
import { browserTuningStore } from './tuning-store.ts';

/** What an adapter says of itself; a text is empty where it says nothing. */
export interface AdapterInfo {
  /** Such as 'nvidia' or 'mesa'. */
  readonly vendor: string;
  /** The family of chips, such as 'ampere'. */
  readonly architecture: string;
  /** The vendor's name or number of the chip. */
  readonly device: string;
  /** For people. */
  readonly description: string;
  /** A software adapter: correct, and a hundred times slower than a GPU. */
  readonly isFallback: boolean;
}

/** Bytes of GPU buffers. */
export interface GpuMemory {
  /** Of those that exist. */
  readonly currentBytes: number;
  /** The most since the last call began. */
  readonly peakBytes: number;
}

/** What ops need to know to choose a kernel. */
export interface KernelTraits {
  /** Lanes of a subgroup where the adapter has one fixed size and the device the feature, else 0. */
  readonly subgroupSize: number;
  /** A processor's cores under WebGPU: no memory that is shared cheaply, and loads that cost more than arithmetic. */
  readonly isSoftware: boolean;
}

/** How Gpu.request() finds a device. */
export interface GpuRequestOptions extends TunerOptions {
  /** An adapter chosen already; by default the one that `gpu` gives. */
  adapter?: GPUAdapter;
  /** Where adapters come from. Default navigator.gpu. */
  gpu?: GPU;
  /** 'adapter' (default) asks for what the adapter can do; 'default' stays at WebGPU's guaranteed limits. */
  limits?: 'adapter' | 'default';
  /**
   * The precision that models will be loaded with: 'f16' asks for a device with WebGPU's feature shader-f16. The others need
   * nothing. Default 'f32'.
   */
  precision?: Precision;
  /** As WebGPU's own: 'low-power' or 'high-performance'. Default: the browser decides. */
  powerPreference?: GPUPowerPreference;
}

export interface RunOptions {
  signal?: AbortSignal;
  /** Called with the share of the work that is known to be done, below 1. */
  onProgress?: (share: number) => void;
  /** Waits for the work and tells its time on the GPU, where the device has timestamp queries. */
  timed?: boolean;
}

/** Limits worth raising: how much of a tensor one dispatch can see. */
const RAISED_LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize'] as const;
/** Features used where present; without them slower kernels give the same bits. */
const OPTIONAL_FEATURES = ['subgroups', 'timestamp-query'] as const;

/** Sustained flops per millisecond assumed before the first measurement: low, so that the first submits are short. */
const FIRST_PACE = { software: 2e6, hardware: 1e8 };

/** A device with all that was made on it: pipelines, buffers, timings of kernels. Models are loaded to one. */
export class Gpu {
  /** For commands and buffers of your own. */
  readonly device: GPUDevice;
  /** What the adapter says of itself. */
  readonly adapterInfo: AdapterInfo;
  /** What the choice of kernels depends on. */
  readonly traits: KernelTraits;
  /** @internal */
  readonly tuner: Tuner;
  /**
   * What is done between jobs.
   *
   * @internal
   */
  readonly idle = new IdleWork();
  /** @internal */
  readonly pool: BufferPool;
  readonly #pipelines: PipelineCache;
  readonly #encoder: Encoder;
  readonly #owned: boolean;
  #lost: string | undefined;
  #guarded: Promise<unknown> = Promise.resolve();

  private constructor(device: GPUDevice, info: GPUAdapterInfo | undefined, owned: boolean, options: TunerOptions) {
    this.device = device;
    this.#owned = owned;
    this.adapterInfo = describeAdapter(info);
    const fixedSize = info?.subgroupMinSize === info?.subgroupMaxSize ? (info?.subgroupMinSize ?? 0) : 0;
    this.traits = {
      subgroupSize: device.features.has('subgroups') ? fixedSize : 0,
      isSoftware: this.adapterInfo.isFallback,
    };
    this.tuner = new Tuner({ ...options, tuningStore: options.tuningStore ?? browserTuningStore() });
    this.pool = new BufferPool(device);
    this.#pipelines = new PipelineCache(device);
    const pace = new Pace(this.adapterInfo.isFallback ? FIRST_PACE.software : FIRST_PACE.hardware);
    let arena: GPUBuffer | undefined;
    this.#encoder = new Encoder(device, this.#pipelines, pace, (bytes) => {
      if (arena) this.pool.destroy(arena);
      arena = this.pool.create('uniform arena', bytes, 'uniform');
      return arena;
    });
    device.lost.then(({ reason, message }) => {
      this.#lost ??= message || reason;
      this.idle.stop();
    });
  }

  /**
   * Asks for an adapter and a device with the limits and features it can use.
   *
   * @throws GpuUnavailableError when there is no WebGPU or no adapter; OptionError, also for the precision 'f16' on an adapter
   * without shader-f16
   */
  static async request(options: GpuRequestOptions = {}): Promise<Gpu> {
    checkOptionNames('Gpu.request()', options, {
      adapter: true,
      gpu: true,
      limits: true,
      precision: true,
      powerPreference: true,
      tune: true,
      tuningStore: true,
      forceVariant: true,
    });
    const gpu = options.gpu ?? (globalThis.navigator as Navigator | undefined)?.gpu;
    if (!gpu && !options.adapter) throw (await gpuFailures()).noWebGpu();
    const adapter =
      options.adapter ??
      (await gpu?.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' }));
    if (!adapter) throw (await gpuFailures()).noAdapter();
    const { limits = 'adapter' } = options;
    if (!['adapter', 'default'].includes(limits)) throw new OptionError('limits', limits, 'adapter or default');
    const requiredLimits: Record<string, number> = {};
    if (limits === 'adapter') {
      for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name];
    }
    const precision = await checkedPrecision(options.precision, adapter.features, 'adapter');
    const requiredFeatures: GPUFeatureName[] = OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature));
    if (precision === 'f16') requiredFeatures.push(HALF_FEATURE);
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({ label: 'gradcam-webgpu', requiredFeatures, requiredLimits });
    } catch (cause) {
      throw (await gpuFailures()).refusedDevice(cause);
    }
    return new Gpu(device, adapter.info, true, options);
  }

  /** Uses a device that somebody else owns: dispose() frees what was made on it and leaves the device alone. */
  static fromDevice(
    device: GPUDevice,
    info: GPUAdapterInfo | undefined = device.adapterInfo,
    options: TunerOptions = {},
  ): Gpu {
    checkOptionNames('Gpu.fromDevice()', options, { tune: true, tuningStore: true, forceVariant: true });
    return new Gpu(device, info, false, options);
  }

  /** What the device grants. */
  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  /** Names of WebGPU's optional features that the device has. */
  get features(): ReadonlySet<string> {
    return this.device.features;
  }

  /** What the buffers made here take. */
  get memory(): GpuMemory {
    return { currentBytes: this.pool.currentBytes, peakBytes: this.pool.peakBytes };
  }

  /**
   * How many pipelines exist.
   *
   * @internal
   */
  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  /** @internal */
  compile(kernel: Kernel): Promise<CompiledKernel> {
    return this.#pipelines.get(kernel);
  }

  /**
   * A buffer of its own, for what outlives a job (weights).
   *
   * @internal
   */
  createBuffer(label: string, bytes: number, use?: BufferUse): GPUBuffer {
    this.#throwIfLost();
    return this.pool.create(label, bytes, use);
  }

  /**
   * A buffer of its own, holding `data`.
   *
   * @internal
   */
  upload(label: string, data: Float32Array | Uint32Array): GPUBuffer {
    const buffer = this.createBuffer(label, data.byteLength);
    this.write(buffer, data);
    return buffer;
  }

  /** @internal */
  write(buffer: GPUBuffer, data: Float32Array | Uint32Array | Uint8Array | Uint8ClampedArray, offset = 0): void {
    this.device.queue.writeBuffer(buffer, offset, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /**
   * Runs dispatches in order.
   *
   * @throws AbortError before any of the submits; LimitError when memory runs out, DeviceLostError, ShaderError, LoadError.
   *
   * @internal
   */
  async run(
    dispatches: readonly Dispatch[],
    { signal, onProgress, timed = false }: RunOptions = {},
  ): Promise<{ submits: number; gpuMs: number | undefined }> {
    // Ahead of the guard, where others would wait for the network.
    await untilAborted(this.#pipelines.fetch(dispatches), signal);
    const timing = timed && (await onDemand('what takes the time on the GPU', () => import('./timing.ts'), signal));
    return this.guard(async () => {
      const timer = timing ? timing.GpuTimer.create(this.device, this.pool) : undefined;
      try {
        const beforeSubmit = () => throwIfAborted(signal);
        const { submits } = await this.#encoder.run(dispatches, { beforeSubmit, onProgress, timer });
        return { submits, gpuMs: await timer?.finish() };
      } finally {
        timer?.dispose();
      }
    });
  }

  /**
   * Reads slices back in one copy and one map; each result is a copy of its own.
   *
   * @throws LimitError when memory runs out, DeviceLostError
   *
   * @internal
   */
  async read(slices: readonly BufferSlice[], purpose?: Purpose): Promise<ArrayBuffer[]> {
    const sizes = slices.map(({ buffer, offset = 0, size }) => size ?? buffer.size - offset);
    const starts: number[] = [];
    let total = 0;
    for (const size of sizes) {
      starts.push(total);
      total += Math.ceil(size / 4) * 4;
    }
    let staging = undefined as GPUBuffer | undefined;
    try {
      // Only the copying is guarded: others may go on while this waits for it.
      const { mapping } = await this.guard(async () => {
        const to = this.pool.acquire('read-back', total, 'readback');
        staging = to;
        const commands = this.device.createCommandEncoder({ label: 'read-back' });
        slices.forEach(({ buffer, offset = 0 }, i) => {
          commands.copyBufferToBuffer(buffer, offset, to, starts[i], Math.ceil(sizes[i] / 4) * 4);
        });
        this.device.queue.submit([commands.finish()]);
        const mapping = to.mapAsync(1 /* GPUMapMode.READ */, 0, Math.ceil(total / 8) * 8);
        mapping.catch(() => {}); // awaited below, unless the guard throws
        return { mapping };
      });
      await mapping;
      const from = staging as GPUBuffer;
      const mapped = from.getMappedRange(0, Math.ceil(total / 8) * 8);
      const copies = sizes.map((size, i) => mapped.slice(starts[i], starts[i] + size));
      from.unmap();
      return copies;
    } catch (cause) {
      await this.#lossReported();
      this.#throwIfLost(cause);
      throw cause;
    } finally {
      if (staging) this.pool.release(staging, 'readback', purpose);
    }
  }

  /** @internal */
  async readFloats(slice: BufferSlice): Promise<Float32Array> {
    return new Float32Array((await this.read([slice]))[0]);
  }

  /**
   * Runs `work` inside error scopes and turns what they catch into the library's errors. Scopes are a stack of the
   * device, so that guarded pieces of work wait for each other. Work must not call guard, run or read and wait for them:
   * they would wait for it. Buffers that are made where memory runs out do not outlive the error.
   *
   * @internal
   */
  guard<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#guarded.then(() => this.#runGuarded(work));
    this.#guarded = turn.catch(() => {});
    return turn;
  }

  async #runGuarded<T>(work: () => Promise<T>): Promise<T> {
    this.#throwIfLost();
    const { device, pool } = this;
    const firstNew = pool.created;
    device.pushErrorScope('internal');
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    let failure: unknown;
    let result: T | undefined;
    try {
      result = await work();
    } catch (error) {
      failure = error;
    }
    const [validation, memory, internal] = await Promise.all(
      [device.popErrorScope(), device.popErrorScope(), device.popErrorScope()].map((scope) => scope.catch(() => null)),
    );
    this.#throwIfLost(failure);
    if (memory) pool.destroyFrom(firstNew);
    if (failure) throw failure;
    if (memory) throw (await gpuFailures()).outOfMemory(memory, this.memory);
    const error = validation ?? internal;
    if (error) throw new Error(`the GPU refused a command: ${error.message}`);
    return result as T;
  }

  /** Frees every buffer made here, and destroys the device if it was created here. */
  dispose(): void {
    this.#lost ??= 'it was disposed';
    this.idle.stop();
    this.pool.dispose();
    if (this.#owned) this.device.destroy();
  }

  /** As dispose(), at the end of a `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #throwIfLost(cause?: unknown): void {
    if (this.#lost !== undefined) {
      throw new DeviceLostError(`the GPU device is lost: ${this.#lost}. Request a new Gpu and load the model again.`, {
        cause,
      });
    }
  }

  /** A failing map and the loss that made it fail are reported in no fixed order: give the loss a turn to arrive. */
  async #lossReported(): Promise<void> {
    await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
}

/** What an adapter says of itself, complete, and whether it is one in software, which not every driver says. */
export function describeAdapter(info: Partial<GPUAdapterInfo> | undefined): AdapterInfo {
  const { vendor = '', architecture = '', device = '', description = '' } = info ?? {};
  const text = `${vendor} ${architecture} ${device} ${description}`;
  const isFallback = info?.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|software|\bcpu\b/i.test(text);
  return { vendor, architecture, device, description, isFallback };
}
