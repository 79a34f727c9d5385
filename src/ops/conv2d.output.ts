/** What a convolution does with its outputs while it holds them; every kernel that can uses shaders/lib/conv-output.wgsl. */
import outputLib from '../../shaders/lib/conv-output.wgsl?raw';
import rectifyLib from '../../shaders/lib/rectify.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';

export interface Conv2dOutput {
  /** [samples, channels, height, width], or the pooled maps. */
  readonly y: BufferSlice;
  /** A value for each output channel. */
  readonly bias?: BufferSlice;
  readonly relu?: boolean;
  /** Receives the bits of reluMaskWords(): where the ReLU's output is above zero. Not together with `pool`. */
  readonly mask?: BufferSlice;
  /** Max-pools by 2 × 2 windows without overlap, and writes the pooled maps only. */
  readonly pool?: boolean;
  /** With `pool`: receives the codes that maxpoolGradInput() takes. */
  readonly codes?: BufferSlice;
  /** A mask of such bits: outputs are zeroed where it is not set. */
  readonly gate?: BufferSlice;
}

/** Libraries and flags of a kernel that hands its outputs to store_block(). */
export const OUTPUT_LIBS = [rectifyLib, outputLib];
export const OUTPUT_FLAGS = { BIAS: false, RELU: false, MASK: false, POOL: false, CODES: false, GATE: false };

/** The flags, and the bindings that such a kernel has for its outputs. */
export function outputVariant({ y, bias, relu = false, mask, pool = false, codes, gate }: Conv2dOutput) {
  if (pool && mask) throw new Error('a pooled convolution has codes instead of a mask');
  const flags: Record<keyof typeof OUTPUT_FLAGS, boolean> = {
    BIAS: bias !== undefined,
    RELU: relu,
    MASK: mask !== undefined,
    POOL: pool,
    CODES: pool && codes !== undefined,
    GATE: gate !== undefined,
  };
  const optional = { bias, mask, codes: pool ? codes : undefined, gate };
  const given = Object.entries(optional).filter((entry): entry is [string, BufferSlice] => entry[1] !== undefined);
  return { flags, bindings: { y, ...Object.fromEntries(given) } };
}
