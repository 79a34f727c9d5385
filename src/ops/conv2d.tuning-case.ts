/** How a question of convolutions is answered by measuring: the candidates on random values, and the texts they are made of. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { expandKernel } from '../gpu/kernel.ts';
import type { Scratch, TuningCase } from '../gpu/tuning-case.ts';
import { toFloat16 } from '../weights/float16.ts';
import { conv2dFlops, transposedShape, type WeightsDtype, weightsBytes } from './conv2d.ts';
import type { Conv2dQuestion } from './conv2d.tuning.ts';
import {
  ALL_CONV2D_VARIANTS,
  type Conv2dVariant,
  conv2dScratch,
  convertWeights,
  formBytes,
  HALF_VARIANTS,
  runConv2d,
  runConv2dGradInput,
  weightsForm,
} from './conv2d.variants.ts';
import { GROUP_TILES } from './conv2d.winograd.ts';

/**
 * What is measured of a question: as few rows, or as low a strip of the picture, as makes a run of some milliseconds and does
 * not take up too much memory. On a GPU enough to fill it; a processor's cores are full at once.
 */
const MEASURED = { software: { flops: 5e8, words: 2 ** 20 }, hardware: { flops: 3e10, words: 2 ** 23 } };
/** Of Winograd's tiles, in cells; its kernels take GROUP_TILES of them at a time, of which in a small part many may be idle. */
const TILE_SIDE = 4;
/** How much the busy share of such groups may differ from the whole job's: by so much Winograd is judged wrongly. */
const SHARE_TOLERANCE = 1 / 8;

interface Part {
  readonly rows: number;
  readonly height: number;
}

function measuredPart({ isSoftware }: KernelTraits, { shape, rows }: Conv2dQuestion): Part {
  const { inChannels, outChannels, height, width } = shape;
  const { flops, words } = MEASURED[isSoftware ? 'software' : 'hardware'];
  const byFlops = (height * width * flops) / conv2dFlops(shape);
  const byWords = words / Math.max(inChannels, outChannels);
  const cells = Math.min(byFlops, byWords);
  const busyShare = (part: Part) => {
    const tiles = part.rows * Math.ceil(part.height / TILE_SIDE) * Math.ceil(width / TILE_SIDE);
    return tiles / (Math.ceil(tiles / GROUP_TILES) * GROUP_TILES);
  };
  const whole: Part = { rows, height };
  const strips = Array.from({ length: Math.ceil(height / TILE_SIDE) - 1 }, (_, i) => ({
    rows: 1,
    height: (i + 1) * TILE_SIDE,
  }));
  const samples = Array.from({ length: rows }, (_, i) => ({ rows: i + 1, height }));
  const isEnough = (part: Part) => part.rows * part.height * width >= cells;
  const isAlike = (part: Part) => Math.abs(busyShare(part) / busyShare(whole) - 1) <= SHARE_TOLERANCE;
  return [...strips, ...samples].find((part) => isEnough(part) && isAlike(part)) ?? whole;
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
  const { rows, height } = measuredPart(traits, question);
  const shape = { ...question.shape, height };
  const dtype: WeightsDtype = precision === 'f16' ? 'float16' : 'float32';
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
          const scratch = makeScratch(own, conv2dScratch(variant, traits, shape, direction), rows);
          const buffers = { x, y, weights: converted, scratch };
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

function makeScratch(own: Scratch, sizes: ReturnType<typeof conv2dScratch>, rows: number) {
  const parts = Object.entries(sizes).map(([part, { words, mostRows }]) => [
    part,
    own.empty(words * Math.min(rows, mostRows)),
  ]);
  return Object.fromEntries(parts);
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
