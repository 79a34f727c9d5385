/** GPU buffers: counted, labelled, and lent from a pool so that a repeated job allocates nothing. */
import { LimitError } from '../errors.ts';

/** A part of a buffer, as bound to a kernel. */
export interface BufferSlice {
  readonly buffer: GPUBuffer;
  /** Bytes from the buffer's start; a multiple of minStorageBufferOffsetAlignment (256). */
  readonly offset?: number;
  readonly size?: number;
}

// Values of GPUBufferUsage, whose global is absent where the device was handed in from outside a browser.
const MAP_READ = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const UNIFORM = 0x40;
const STORAGE = 0x80;
export const USAGE = {
  storage: STORAGE | COPY_SRC | COPY_DST,
  uniform: UNIFORM | COPY_DST,
  readback: MAP_READ | COPY_DST,
} as const;
export type BufferUse = keyof typeof USAGE;

/** Sizes are rounded up to this many bytes: a multiple of every alignment that WebGPU asks of a buffer. */
const SIZE_STEP_BYTES = 256;

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free: { buffer: GPUBuffer; use: BufferUse; lastRound: number }[] = [];
  readonly #live = new Set<GPUBuffer>();
  #round = 0;
  #currentBytes = 0;
  #peakBytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes of all buffers that exist, those waiting in the pool included. */
  get currentBytes(): number {
    return this.#currentBytes;
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Forgets the peak so far, so that the next job's own can be read. */
  resetPeak(): void {
    this.#peakBytes = this.#currentBytes;
  }

  /** Fits two 4-byte words at least: WebGPU refuses empty bindings. */
  static roundUp(bytes: number): number {
    return Math.max(SIZE_STEP_BYTES, Math.ceil(bytes / SIZE_STEP_BYTES) * SIZE_STEP_BYTES);
  }

  /**
   * A new buffer of its own, zeroed; give it back with `destroy`.
   *
   * @throws LimitError when it is larger than maxBufferSize.
   */
  create(label: string, bytes: number, use: BufferUse = 'storage'): GPUBuffer {
    const size = BufferPool.roundUp(bytes);
    const available = this.#device.limits.maxBufferSize;
    if (size > available)
      throw new LimitError(`buffer '${label}'`, { limit: 'maxBufferSize', needed: size, available });
    const buffer = this.#device.createBuffer({ label, size, usage: USAGE[use] });
    this.#live.add(buffer);
    this.#currentBytes += buffer.size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#currentBytes);
    return buffer;
  }

  /** A buffer of at least `bytes`, its contents unknown; give it back with `release`. */
  acquire(label: string, bytes: number, use: BufferUse = 'storage'): GPUBuffer {
    const size = BufferPool.roundUp(bytes);
    let best = -1;
    this.#free.forEach((candidate, i) => {
      // Up to a quarter of waste is cheaper than another allocation.
      const fits = candidate.use === use && candidate.buffer.size >= size && candidate.buffer.size <= size * 1.25;
      if (fits && (best < 0 || candidate.buffer.size < this.#free[best].buffer.size)) best = i;
    });
    if (best >= 0) {
      const [{ buffer }] = this.#free.splice(best, 1);
      buffer.label = label;
      return buffer;
    }
    return this.create(label, size, use);
  }

  /** Gives a buffer back. Work already submitted may still use it: the queue keeps the order. */
  release(buffer: GPUBuffer, use: BufferUse = 'storage'): void {
    if (this.#live.has(buffer)) this.#free.push({ buffer, use, lastRound: this.#round });
  }

  /** Ends a job: what it and the one before it left unused is destroyed, so that changing jobs cannot pile up memory. */
  endRound(): void {
    for (let i = this.#free.length - 1; i >= 0; i--) {
      if (this.#free[i].lastRound < this.#round) this.destroy(this.#free.splice(i, 1)[0].buffer);
    }
    this.#round++;
  }

  destroy(buffer: GPUBuffer): void {
    if (!this.#live.delete(buffer)) return;
    this.#currentBytes -= buffer.size;
    buffer.destroy();
  }

  dispose(): void {
    for (const buffer of this.#live) buffer.destroy();
    this.#live.clear();
    this.#free.length = 0;
    this.#currentBytes = 0;
  }
}
