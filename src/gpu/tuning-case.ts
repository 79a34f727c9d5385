/** A contest on the GPU: candidates as dispatches on made-up tensors, and the clock that times them. */
import { throwIfAborted, untilAborted } from '../errors.ts';
import type { BufferSlice } from './buffers.ts';
import { type Contestant, type ContestOptions, contest, type Tuning } from './contest.ts';
import type { Dispatch } from './encoder.ts';
import type { Gpu } from './gpu.ts';
import type { KernelQuestion } from './tuning.ts';

/** A question that can be measured. */
export interface TuningCase<Name extends string = string> {
  readonly question: KernelQuestion<Name>;
  /** What is computed in place of the whole, for people. */
  readonly measuredOn: string;
  /** The candidate whose results are right; it must be among those that `build` gives. */
  readonly reference: Name;
  /** Makes the tensors that the candidates share: their output, and how each computes it. */
  build(scratch: Scratch): { readonly y: SizedSlice; readonly rivals: readonly Rival<Name>[] };
}

export interface Rival<Name extends string = string> {
  readonly name: Name;
  /** As in Contestant. */
  readonly tolerance: number;
  /** What is done once before (weights in its form), and what is timed. Allocates what only this candidate needs. */
  make(scratch: Scratch): { readonly setup: readonly Dispatch[]; readonly run: readonly Dispatch[] };
}

export type SizedSlice = BufferSlice & { readonly size: number };

/** Words of the output's beginning, and as many of its end, that are compared: reading all of it would take too long. */
const COMPARED_WORDS = 1 << 16;

/**
 * Times a case's candidates on the device. Nothing of it is left on the GPU but compiled kernels.
 *
 * @throws AbortError, DeviceLostError, LimitError where there is no room for the tensors
 */
export async function measureCase<Name extends string>(
  gpu: Gpu,
  { question, measuredOn, reference, build }: TuningCase<Name>,
  options: ContestOptions = {},
): Promise<Tuning<Name>> {
  const { signal } = options;
  throwIfAborted(signal);
  const scratch = new Scratch(gpu);
  try {
    const { y, rivals } = await gpu.guard(async () => build(scratch));
    const compared = endsOf(y);
    const contestants = rivals.map(({ name, tolerance, make }): Contestant<Name> => {
      let run: readonly Dispatch[] = [];
      return {
        name,
        tolerance,
        isOnlyReference: !question.candidates.includes(name),
        prepare: async () => {
          const made = await gpu.guard(async () => make(scratch));
          run = made.run;
          const dispatches = [...made.setup, ...run.map(ofOneWorkgroup)];
          await untilAborted(Promise.all(dispatches.map(({ kernel }) => gpu.compile(kernel))), signal);
          // Some drivers compile only now.
          await gpu.run(dispatches, { signal });
        },
        firstRun: async () => {
          // What the candidate before has left there would look right.
          for (const { buffer, offset, size } of compared) gpu.write(buffer, new Uint8Array(size), offset);
          const ms = await timeOf(gpu, run, signal);
          return { values: concatFloats(await gpu.read(compared)), ms };
        },
        time: (repeats) => timeOf(gpu, Array.from({ length: repeats }, () => run).flat(), signal),
      };
    });
    return { key: question.key, measuredOn, candidates: await contest(contestants, reference, options) };
  } finally {
    scratch.release();
  }
}

function ofOneWorkgroup(dispatch: Dispatch): Dispatch {
  return { ...dispatch, workgroups: 1, flops: dispatch.flops / dispatch.workgroups };
}

/** Milliseconds on the GPU where it tells them, else until it is done. */
async function timeOf(gpu: Gpu, dispatches: readonly Dispatch[], signal: AbortSignal | undefined): Promise<number> {
  const started = performance.now();
  const { gpuMs } = await gpu.run(dispatches, { signal, timed: true });
  await gpu.device.queue.onSubmittedWorkDone();
  return gpuMs ?? performance.now() - started;
}

/** The beginning and the end of a tensor, or all of a short one. */
function endsOf({ buffer, offset = 0, size }: SizedSlice): (SizedSlice & { readonly offset: number })[] {
  const part = 4 * COMPARED_WORDS;
  if (size <= 2 * part) return [{ buffer, offset, size }];
  return [
    { buffer, offset, size: part },
    { buffer, offset: offset + size - part, size: part },
  ];
}

function concatFloats(parts: readonly ArrayBuffer[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { byteLength }) => sum + byteLength / 4, 0));
  let at = 0;
  for (const part of parts) {
    all.set(new Float32Array(part), at);
    at += part.byteLength / 4;
  }
  return all;
}

type Floats = Float32Array<ArrayBuffer>;

/** Made-up tensors that live as long as a contest. */
export class Scratch {
  readonly #gpu: Gpu;
  readonly #buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Room for `words` 4-byte words. */
  empty(words: number): SizedSlice {
    const buffer = this.#gpu.createBuffer('tuning', 4 * words);
    this.#buffers.push(buffer);
    return { buffer, size: 4 * words };
  }

  /**
   * Words of floats between -1 and 1: what they are does not matter, but zeros could be quicker than others.
   *
   * @param encode from floats to words that hold them otherwise
   */
  random(words: number, encode: (values: Floats) => Floats | Uint32Array = (values) => values): SizedSlice {
    const slice = this.empty(words);
    const values = encode(randomChunk());
    for (let at = 0; at < words; at += values.length) {
      this.#gpu.write(slice.buffer, values.subarray(0, Math.min(values.length, words - at)), 4 * at);
    }
    return slice;
  }

  release(): void {
    for (const buffer of this.#buffers) this.#gpu.pool.destroy(buffer);
    this.#buffers.length = 0;
  }
}

/** Repeated where more are needed; an odd number, so that the repetition falls on no tensor's rows. */
const CHUNK_FLOATS = 65_537;

function randomChunk(): Floats {
  const values = new Float32Array(CHUNK_FLOATS);
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    // Linear congruential, Numerical Recipes' constants.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}
