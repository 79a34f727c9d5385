/** How a question of convolutions is answered by measuring: the candidates on random values, and the texts they are made of. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { expandKernel } from '../gpu/kernel.ts';
import type { Scratch, TuningCase } from '../gpu/tuning-case.ts';
import { toFloat16 } from '../weights/float16.ts';
import type { Direction } from './common.ts';
import { type Conv2dShape, conv2dFlops, transposedShape, type WeightsDtype, weightsBytes } from './conv2d.ts';
import type { Conv2dQuestion } from './conv2d.tuning.ts';
import {
  ALL_CONV2D_VARIANTS,
  type Conv2dVariant,
  conv2dScratch,
  conv2dScratchRows,
  convertWeights,
  formBytes,
  HALF_VARIANTS,
  runConv2d,
  runConv2dGradInput,
  weightsForm,
} from './conv2d.variants.ts';

/**
 * What is measured of a question: few enough rows, or a strip of the picture, for a run of some milliseconds. On a GPU
 * enough of them to fill it; a processor's cores are full at once.
 */
const MEASURED_FLOPS = { software: 1e9, hardware: 3e10 };
const MEASURED_WORDS = 2 ** 23;
/** Winograd's kernels take 32 tiles at a time, of up to 4 × 4 cells: a much smaller part would leave many idle. */
const LEAST_CELLS = 784;
/** Of maps so small one row does not fill such a group: how many are idle depends on the very number of rows. */
const SMALL_MAP_CELLS = 256;

function measuredPart(
  { isSoftware }: KernelTraits,
  { shape, rows }: Conv2dQuestion,
): { shape: Conv2dShape; rows: number } {
  const { inChannels, outChannels, height, width } = shape;
  const rowCells = height * width;
  const byFlops = (rowCells * MEASURED_FLOPS[isSoftware ? 'software' : 'hardware']) / conv2dFlops(shape);
  const byWords = MEASURED_WORDS / Math.max(inChannels, outChannels);
  const least = rowCells <= SMALL_MAP_CELLS ? rows * rowCells : LEAST_CELLS;
  const cells = Math.max(least, Math.min(byFlops, byWords));
  if (cells >= rowCells) return { shape, rows: Math.min(rows, Math.floor(cells / rowCells)) };
  return { shape: { ...shape, height: Math.min(height, 4 * Math.ceil(cells / width / 4)) }, rows: 1 };
}

/**
 * float32 with the direct kernels' rounding, or little more; F(4 × 4, 3 × 3) loses about a digit (Lavin and Gray 2016), and
 * float16 has but three.
 */
function toleranceOf(variant: Conv2dVariant): number {
  if (HALF_VARIANTS.includes(variant)) return 5e-3;
  return variant === 'winograd-4' ? 1e-3 : 1e-4;
}

/**
 * A question as a contest, on random values. The forward pass has its bias and ReLU; what else a layer does with its
 * outputs costs all kernels the same.
 *
 * @param all whether candidates take part that this sort of adapter is known to be slow with
 */
export function conv2dCase(
  traits: KernelTraits,
  question: Conv2dQuestion,
  { all = false } = {},
): TuningCase<Conv2dVariant> {
  const { direction, candidates, precision } = question;
  const dtype: WeightsDtype = precision === 'f16' ? 'float16' : 'float32';
  const { shape, rows } = measuredPart(traits, question);
  const contestants = candidates.filter((variant) => all || isWorthTiming(traits, variant));
  // Where it cannot be chosen, it still says what is right.
  const variants = contestants.includes('direct') ? contestants : [...contestants, 'direct' as const];
  return {
    question,
    measuredOn: `${rows} x ${shape.height} x ${shape.width} cells`,
    reference: 'direct',
    build(scratch) {
      const cells = rows * shape.height * shape.width;
      const forward = direction === 'forward';
      const { inChannels, outChannels } = forward ? shape : transposedShape(shape);
      const x = scratch.random(cells * inChannels);
      const y = scratch.empty(cells * outChannels);
      const words = weightsBytes(shape, dtype) / 4;
      const packed = { ...scratch.random(words, dtype === 'float16' ? encodeHalves : undefined), dtype, greatest: 1 };
      const bias = scratch.random(outChannels);
      const rivals = variants.map((variant) => ({
        name: variant,
        tolerance: toleranceOf(variant),
        make(own: Scratch) {
          const form = weightsForm(variant, direction);
          const converted = form === 'packed' ? packed : { ...packed, ...own.empty(formBytes(form, shape, dtype) / 4) };
          const setup = form === 'packed' ? [] : [convertWeights(form, shape, { weights: packed, converted })];
          const buffers = { x, y, weights: converted, scratch: makeScratch(own, variant, shape, direction, rows) };
          const run = forward
            ? runConv2d(variant, traits, shape, rows, { ...buffers, bias, relu: true })
            : runConv2dGradInput(variant, traits, shape, rows, buffers);
          return { setup, run };
        },
      }));
      return { y, rivals };
    },
  };
}

function makeScratch(own: Scratch, variant: Conv2dVariant, shape: Conv2dShape, direction: Direction, rows: number) {
  const room = (words: number) => own.empty(words * Math.min(rows, conv2dScratchRows(words)));
  const parts = Object.entries(conv2dScratch(variant, shape, direction));
  return Object.fromEntries(parts.map(([part, words]) => [part, room(words)]));
}

/** Two halves a word; an odd number of words. */
function encodeHalves(values: Float32Array<ArrayBuffer>): Uint32Array {
  return new Uint32Array(toFloat16(values.subarray(0, values.length - 3)).buffer);
}

/** Without workgroup memory to speak of, a processor runs the kernels that live on it many times slower than the others. */
function isWorthTiming({ isSoftware }: KernelTraits, variant: Conv2dVariant): boolean {
  return !isSoftware || !variant.startsWith('implicit-gemm');
}

/** Everything that the candidates' kernels are made of: timings hold as long as it stays the same. */
export async function conv2dKernelTexts(traits: KernelTraits): Promise<string> {
  const shape = { inChannels: 8, outChannels: 8, height: 8, width: 8, kernel: 3, stride: 1, padding: 1 };
  // Dispatches are descriptions: nothing here is run.
  const slice = { buffer: {} as GPUBuffer, size: 2 ** 20 } satisfies BufferSlice;
  const halves = { ...slice, dtype: 'float16', greatest: 1 } as const;
  const scratch = { patches: slice, products: slice, magnitudes: slice };
  const dispatches = ALL_CONV2D_VARIANTS.flatMap((variant) => {
    const buffers = { x: slice, y: slice, weights: HALF_VARIANTS.includes(variant) ? halves : slice, scratch };
    return [
      ...runConv2d(variant, traits, shape, 1, { ...buffers, bias: slice, relu: true }),
      ...runConv2dGradInput(variant, traits, shape, 1, buffers),
    ];
  });
  const texts = dispatches.map(async ({ kernel }) => [await expandKernel(kernel), kernel.constants]);
  return JSON.stringify(await Promise.all(texts));
}
