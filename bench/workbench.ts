/** A GPU with buffers to try ops on, and the clock for their dispatches. */
import type { BufferSlice } from '../src/gpu/buffers.ts';
import type { Dispatch } from '../src/gpu/encoder.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { random } from '../test/harness/random.ts';
import { type Duration, enoughRepeats, timed } from './measure.ts';

/** Random values are made once and repeated: what they are does not matter, but zeros could be quicker than others. */
const RANDOM_CHUNK = random(0).uniforms(1 << 18, -1, 1);

export class Workbench {
  readonly gpu: Gpu;
  /** n, samples in a batch; samplesOf() where they are large. */
  readonly samples: number;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu, samples: number) {
    this.gpu = gpu;
    this.samples = samples;
  }

  /** As many samples as are asked for, or as a binding of this device holds where one has so many words. */
  samplesOf(words: number): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.gpu.limits;
    const most = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / (4 * words));
    return Math.max(1, Math.min(this.samples, most));
  }

  /** Floats between -1 and 1. */
  random(count: number): BufferSlice {
    const slice = this.empty(count);
    for (let at = 0; at < count; at += RANDOM_CHUNK.length) {
      this.gpu.write(slice.buffer, RANDOM_CHUNK.subarray(0, Math.min(RANDOM_CHUNK.length, count - at)), at * 4);
    }
    return slice;
  }

  filled(values: Float32Array | Uint32Array): BufferSlice {
    const slice = this.empty(values.length);
    this.gpu.write(slice.buffer, values);
    return slice;
  }

  /** Room for `count` words. */
  empty(count: number): BufferSlice {
    const buffer = this.gpu.createBuffer('bench', count * 4);
    this.#buffers.push(buffer);
    return { buffer, size: count * 4 };
  }

  /** From the call until the GPU is done. Whatever the GPU refuses is an error, not a time of 0. */
  time(dispatches: readonly Dispatch[]): Promise<Duration> {
    return timed(async () => {
      await this.gpu.run(dispatches);
      await this.gpu.device.queue.onSubmittedWorkDone();
    });
  }

  /**
   * A clock for dispatches that are run often enough in one go, so that the fixed cost of a submit does not show. They have
   * been compiled when it is handed out.
   *
   * @returns times them once, as the mean of those runs
   */
  async timer(dispatches: readonly Dispatch[], enoughMs: number): Promise<() => Promise<Duration>> {
    const run = (repeats: number) => this.time(Array.from({ length: repeats }, () => dispatches).flat());
    await run(1);
    const repeats = await enoughRepeats(async (count) => (await run(count)).ms, enoughMs);
    return async () => {
      const { ms, cpuMs } = await run(repeats);
      return { ms: ms / repeats, ...(cpuMs === undefined ? {} : { cpuMs: cpuMs / repeats }) };
    };
  }

  release(): void {
    for (const buffer of this.#buffers) this.gpu.pool.destroy(buffer);
    this.#buffers.length = 0;
  }
}
