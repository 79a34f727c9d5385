/**
 * Time on the GPU itself, by timestamp queries around each compute pass. Browsers round them (to 100 µs, Dawn by default
 * to 65 µs), so only whole passes are timed.
 */
import type { BufferPool } from './buffers.ts';

/** Submits that one timer can see; more are not counted. */
const MAX_PASSES = 2048;
const QUERY_RESOLVE = 0x200;
const COPY_SRC = 0x4;

export class GpuTimer {
  readonly #device: GPUDevice;
  readonly #pool: BufferPool;
  readonly #queries: GPUQuerySet;
  #passes = 0;

  private constructor(device: GPUDevice, pool: BufferPool) {
    this.#device = device;
    this.#pool = pool;
    this.#queries = device.createQuerySet({ label: 'pass timestamps', type: 'timestamp', count: 2 * MAX_PASSES });
  }

  /** undefined where the device has no timestamp queries. */
  static create(device: GPUDevice, pool: BufferPool): GpuTimer | undefined {
    return device.features.has('timestamp-query') ? new GpuTimer(device, pool) : undefined;
  }

  /** What the next pass's descriptor needs. */
  nextPass(): GPUComputePassTimestampWrites | undefined {
    if (this.#passes === MAX_PASSES) return undefined;
    const first = 2 * this.#passes++;
    return { querySet: this.#queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Milliseconds of all passes so far, when they are done. */
  async finish(): Promise<number> {
    if (this.#passes === 0) return 0;
    const bytes = 16 * this.#passes;
    const resolved = this.#device.createBuffer({ label: 'timestamps', size: bytes, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = this.#pool.acquire('timestamps', bytes, 'readback');
    try {
      const commands = this.#device.createCommandEncoder({ label: 'timestamps' });
      commands.resolveQuerySet(this.#queries, 0, 2 * this.#passes, resolved, 0);
      commands.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
      this.#device.queue.submit([commands.finish()]);
      await staging.mapAsync(1 /* GPUMapMode.READ */, 0, bytes);
      const times = new BigUint64Array(staging.getMappedRange(0, bytes).slice(0));
      staging.unmap();
      let nanoseconds = 0n;
      // Rounding may put a short pass's end before its beginning.
      for (let i = 0; i < times.length; i += 2) if (times[i + 1] > times[i]) nanoseconds += times[i + 1] - times[i];
      return Number(nanoseconds) / 1e6;
    } finally {
      this.#pool.release(staging, 'readback');
      resolved.destroy();
    }
  }

  /** Frees the queries; the timer is then used up. */
  dispose(): void {
    this.#queries.destroy();
  }
}
