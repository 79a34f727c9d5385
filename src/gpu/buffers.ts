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

/**
 * Whom a buffer is lent to: the jobs that a program repeats, or what draws their results in between, which must not cost
 * the next job its buffers.
 */
export type Purpose = 'job' | 'display';

/** Sizes are rounded up to this many bytes: a multiple of every alignment that WebGPU asks of a buffer. */
const SIZE_STEP_BYTES = 256;

interface FreeBuffer {
  readonly buffer: GPUBuffer;
  readonly use: BufferUse;
  /** Of the last one that it was lent to. */
  readonly purpose: Purpose;
  /** Rounds that had ended when it was given back. */
  readonly rounds: Readonly<Record<Purpose, number>>;
}

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free: FreeBuffer[] = [];
  /** With the number of buffers that were made before it. */
  readonly #live = new Map<GPUBuffer, number>();
  readonly #lent = new Set<GPUBuffer>();
  /** Rounds ended so far. */
  readonly #rounds: Record<Purpose, number> = { job: 0, display: 0 };
  #created = 0;
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

  /** How many buffers have been made so far. */
  get created(): number {
    return this.#created;
  }

  /** Forgets the peak so far, so that the next job's own can be read. */
  resetPeak(): void {
    this.#peakBytes = this.#currentBytes;
  }

  /** To whole steps, at least one: WebGPU refuses empty bindings. */
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
    this.#live.set(buffer, this.#created++);
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
      this.#lent.add(buffer);
      return buffer;
    }
    const buffer = this.create(label, size, use);
    this.#lent.add(buffer);
    return buffer;
  }

  /**
   * Gives a buffer back. Work already submitted may still use it: the queue keeps the order. One that was destroyed
   * meanwhile is forgotten.
   *
   * @throws Error for a buffer that is not lent: given back twice, it would be lent to two at once.
   */
  release(buffer: GPUBuffer, use: BufferUse = 'storage', purpose: Purpose = 'job'): void {
    if (!this.#live.has(buffer)) return;
    if (!this.#lent.delete(buffer)) {
      throw new Error(`buffer '${buffer.label}' is not lent: it was released before, or never acquired`);
    }
    this.#free.push({ buffer, use, purpose, rounds: { ...this.#rounds } });
  }

  /**
   * Ends a piece of work: what it and the one before it left unused is destroyed, so that changing jobs cannot pile up
   * memory. Drawing destroys its own buffers only.
   */
  endRound(purpose: Purpose = 'job'): void {
    const isUnused = (free: FreeBuffer) =>
      free.rounds[purpose] < this.#rounds[purpose] && (purpose === 'job' || free.purpose === purpose);
    for (let i = this.#free.length - 1; i >= 0; i--) {
      if (isUnused(this.#free[i])) this.destroy(this.#free.splice(i, 1)[0].buffer);
    }
    this.#rounds[purpose]++;
  }

  destroy(buffer: GPUBuffer): void {
    if (!this.#live.delete(buffer)) return;
    this.#lent.delete(buffer);
    this.#currentBytes -= buffer.size;
    buffer.destroy();
  }

  /** Destroys the buffers that were made after the first `created` ones: without memory they are no buffers. */
  destroyFrom(created: number): void {
    for (const [buffer, number] of this.#live) if (number >= created) this.destroy(buffer);
    // Of those some may have been given back already.
    for (let i = this.#free.length - 1; i >= 0; i--) if (!this.#live.has(this.#free[i].buffer)) this.#free.splice(i, 1);
  }

  dispose(): void {
    for (const buffer of this.#live.keys()) buffer.destroy();
    this.#live.clear();
    this.#lent.clear();
    this.#free.length = 0;
    this.#currentBytes = 0;
  }
}
