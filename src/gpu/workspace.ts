import { LimitError } from '../errors.ts';
import type { BufferSlice, Purpose } from './buffers.ts';
import type { Gpu } from './gpu.ts';

/**
 * The buffers of one piece of work, lent by the pool and given back together. They are lent within `gpu.guard`, so that
 * running out of memory is an error of this work, and given back by `release` whether it succeeds or fails.
 */
export class Workspace {
  readonly #gpu: Gpu;
  readonly #purpose: Purpose;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu, purpose: Purpose) {
    this.#gpu = gpu;
    this.#purpose = purpose;
  }

  /**
   * @param label what is in it, for messages
   * @throws LimitError for more than one binding can hold.
   */
  bytes(label: string, bytes: number): BufferSlice {
    const available = this.#gpu.limits.maxStorageBufferBindingSize;
    if (bytes > available) {
      throw new LimitError(label, { limit: 'maxStorageBufferBindingSize', needed: bytes, available });
    }
    const buffer = this.#gpu.pool.acquire(label, bytes);
    this.#buffers.push(buffer);
    // The pool may lend a larger buffer than the device can bind.
    return { buffer, size: Math.max(16, bytes) };
  }

  floats(label: string, count: number): BufferSlice {
    return this.bytes(label, count * 4);
  }

  filled(label: string, data: Uint32Array | Float32Array): BufferSlice {
    const slice = this.bytes(label, data.byteLength);
    this.#gpu.write(slice.buffer, data);
    return slice;
  }

  /** As Gpu.read. */
  read(slices: readonly BufferSlice[]): Promise<ArrayBuffer[]> {
    return this.#gpu.read(slices, this.#purpose);
  }

  /** Gives everything back, and ends a round of the pool. Only once. */
  release(): void {
    this.giveBack();
    this.#gpu.pool.endRound(this.#purpose);
  }

  /** Gives everything back for the round that is going on: for what outlives the work that made it. Only once. */
  giveBack(): void {
    for (const buffer of this.#buffers) this.#gpu.pool.release(buffer, 'storage', this.#purpose);
  }
}
