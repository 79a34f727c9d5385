/** Ops on their own: buffers around them that betray what they should not touch, and their results. */
import type { BufferSlice } from '../../src/gpu/buffers.ts';
import type { Dispatch } from '../../src/gpu/encoder.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { assert } from './assertions.ts';
import { gpuTest } from './gpu.ts';

/** A NaN that no arithmetic makes: an element that still holds it was never written. */
const UNTOUCHED = 0x7fc0beef;
/** NaN behind the last element, within the kernel's reach: reading it shows in the result, writing it fails the read-back. */
const GUARD_WORDS = 64;
/** Bindings begin here, at the smallest offset that WebGPU allows: a launcher has to pass offsets on. */
const OFFSET_BYTES = 256;

/** A buffer of `count` 4-byte elements with its guard, for the bindings of a dispatch. */
export interface Operand extends BufferSlice {
  readonly count: number;
}

/** The operands of one test. */
export class OpBench {
  readonly gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  input(values: Float32Array | Uint32Array): Operand {
    const operand = this.output(values.length);
    this.gpu.write(operand.buffer, values, OFFSET_BYTES);
    return operand;
  }

  /** Elements that all have yet to be written. */
  output(count: number): Operand {
    const size = (count + GUARD_WORDS) * 4;
    const buffer = this.gpu.upload('operand', new Uint32Array((OFFSET_BYTES + size) / 4).fill(UNTOUCHED));
    this.#buffers.push(buffer);
    return { buffer, offset: OFFSET_BYTES, size, count };
  }

  async run(...dispatches: (Dispatch | readonly Dispatch[])[]): Promise<void> {
    await this.gpu.run(dispatches.flat());
  }

  /** An operand's elements as they are now. */
  async words(operand: Operand): Promise<Uint32Array> {
    const [bytes] = await this.gpu.read([operand]);
    const words = new Uint32Array(bytes);
    const guard = words.subarray(operand.count);
    const broken = guard.findIndex((word) => word !== UNTOUCHED);
    assert(broken < 0, `the kernel wrote element ${operand.count + broken} of a tensor of ${operand.count} elements`);
    const unwritten = words.subarray(0, operand.count).indexOf(UNTOUCHED);
    assert(unwritten < 0, `the kernel left element ${unwritten} of ${operand.count} unwritten`);
    return words.subarray(0, operand.count);
  }

  async floats(operand: Operand): Promise<Float32Array> {
    return new Float32Array((await this.words(operand)).slice().buffer);
  }

  /** Frees the operands. */
  dispose(): void {
    for (const buffer of this.#buffers) this.gpu.pool.destroy(buffer);
  }
}

/** A test of an op; it fails on any WebGPU error that its commands cause. */
export function opTest(name: string, work: (op: OpBench) => Promise<void>, timeoutMs?: number): void {
  gpuTest(
    name,
    async (gpu) => {
      const op = new OpBench(gpu);
      try {
        await work(op);
      } finally {
        op.dispose();
      }
    },
    timeoutMs,
  );
}
