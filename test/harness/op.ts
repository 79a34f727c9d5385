/** Ops on their own: buffers around them that betray what they should not touch, and their results. */
import type { BufferSlice } from '../../src/gpu/buffers.ts';
import type { Dispatch } from '../../src/gpu/encoder.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { assert } from './assertions.ts';
import { gpuTest } from './gpu.ts';

/** A NaN that no arithmetic makes: an element that still holds it was never written. */
const UNTOUCHED = 0x7fc0beef;
/** Another one behind inputs, so that copying it over the end of an output shows. */
const BEHIND_INPUT = 0x7fc0dead;
/** NaN behind the last element, within the kernel's reach: reading it shows in the result, writing it fails the test. */
const GUARD_WORDS = 64;
/** Bindings begin here, at the smallest offset that WebGPU allows: a launcher has to pass offsets on. */
const OFFSET_BYTES = 256;

/** A buffer of `count` 4-byte elements with its guard, for the bindings of a dispatch. */
export interface Operand extends BufferSlice {
  readonly count: number;
  /** What the guard is made of. */
  readonly guard: number;
}

/** The operands of one test. */
export class OpBench {
  readonly gpu: Gpu;
  readonly #operands: Operand[] = [];

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  input(values: Float32Array | Uint32Array): Operand {
    const operand = this.#allocate(values.length, BEHIND_INPUT);
    this.gpu.write(operand.buffer, values, OFFSET_BYTES);
    return operand;
  }

  /** Elements that all have yet to be written. */
  output(count: number): Operand {
    return this.#allocate(count, UNTOUCHED);
  }

  async run(...dispatches: (Dispatch | readonly Dispatch[])[]): Promise<void> {
    await this.gpu.run(dispatches.flat());
  }

  /** An operand's elements as they are now; none may be left unwritten. */
  async words({ buffer, offset, count }: Operand): Promise<Uint32Array> {
    const [bytes] = await this.gpu.read([{ buffer, offset, size: 4 * count }]);
    const words = new Uint32Array(bytes!);
    const unwritten = words.indexOf(UNTOUCHED);
    assert(unwritten < 0, `the kernel left element ${unwritten} of ${count} unwritten`);
    return words;
  }

  async floats(operand: Operand): Promise<Float32Array> {
    return new Float32Array((await this.words(operand)).buffer);
  }

  /** Fails if anything was written behind the last element of any operand. */
  async checkGuards(): Promise<void> {
    const guards = this.#operands.map(({ buffer, count }) => {
      return { buffer, offset: OFFSET_BYTES + 4 * count, size: 4 * GUARD_WORDS };
    });
    const contents = await this.gpu.read(guards);
    this.#operands.forEach(({ count, guard }, i) => {
      const broken = new Uint32Array(contents[i]!).findIndex((word) => word !== guard);
      assert(broken < 0, `a kernel wrote element ${count + broken} of a tensor of ${count} elements`);
    });
  }

  /** Frees the operands. */
  dispose(): void {
    for (const { buffer } of this.#operands) this.gpu.pool.destroy(buffer);
  }

  #allocate(count: number, guard: number): Operand {
    const size = (count + GUARD_WORDS) * 4;
    const words = new Uint32Array((OFFSET_BYTES + size) / 4).fill(UNTOUCHED).fill(guard, OFFSET_BYTES / 4 + count);
    const operand = { buffer: this.gpu.upload('operand', words), offset: OFFSET_BYTES, size, count, guard };
    this.#operands.push(operand);
    return operand;
  }
}

/** A test of an op; it fails on any WebGPU error that its commands cause, and on any write behind an operand's end. */
export function opTest(name: string, work: (op: OpBench) => Promise<void>, timeoutMs?: number): void {
  gpuTest(
    name,
    async (gpu) => {
      const op = new OpBench(gpu);
      try {
        await work(op);
        await op.checkGuards();
      } finally {
        op.dispose();
      }
    },
    timeoutMs,
  );
}
