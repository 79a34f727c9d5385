/**
 * Convolution with 3 × 3 kernels, stride 1 and padding 1 by Winograd's minimal filtering F(m × m, 3 × 3), with output
 * tiles of side m = 2 or 4: 2.25 or 4 times fewer multiplications than the direct sum, for float32 rounding errors about
 * 2 or 4 times as large.
 *
 * Three stages: patches of (m + 2)² cells are transformed, multiplied by transformed filters (a matrix product for each
 * place in the patch), and transformed back. The input gradient takes the same filters: its rotated kernels are made
 * by turning patches and tiles, its exchange of channels by the matrix product.
 */

import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';
import { type Conv2dOutput, OUTPUT_FLAGS, OUTPUT_LIBS, outputVariant } from './conv2d.output.ts';
import {
  type Conv2dShape,
  finishesOutputs,
  type GradInputBuffers,
  type PackedWeights,
  transposedShape,
  WEIGHTS_FLAGS,
  WEIGHTS_LIB,
  weightsFlags,
} from './conv2d.ts';

const winogradLib = () => import('../../shaders/lib/winograd.wgsl?raw');
const filtersSource = () => import('../../shaders/ops/conv2d.winograd-filters.wgsl?raw');
const inputSource = () => import('../../shaders/ops/conv2d.winograd-input.wgsl?raw');
const outputSource = () => import('../../shaders/ops/conv2d.winograd-output.wgsl?raw');
const productsSource = () => import('../../shaders/ops/conv2d.winograd-products.wgsl?raw');

/** m, the side of an output tile. */
export type WinogradTile = 2 | 4;

const FILTERS = source('conv2d.winograd-filters', filtersSource, {
  libs: [winogradLib, WEIGHTS_LIB],
  flags: { TILE_4: false, ...WEIGHTS_FLAGS },
});
const INPUT = source('conv2d.winograd-input', inputSource, {
  libs: [winogradLib],
  flags: { TILE_4: false, FLIPPED: false },
});
const PRODUCTS = source('conv2d.winograd-products', productsSource, {
  flags: { SUBGROUPS: false, SUBGROUP_8: false, TRANSPOSED: false },
});
const OUTPUT = source('conv2d.winograd-output', outputSource, {
  libs: [winogradLib, ...OUTPUT_LIBS],
  flags: { ...OUTPUT_FLAGS, TILE_4: false, FLIPPED: false },
});

/** Those of a whole convolution. */
export const WINOGRAD_SOURCES = [FILTERS, INPUT, PRODUCTS, OUTPUT];

/** Channels that stand together in filters, patches and products. */
const QUAD = 4;
/** What a workgroup of the products computes. */
export const GROUP_TILES = 32;
const GROUP_QUADS = 8;

/** Floats of the transformed filters, which serve both directions. */
export function winogradFilterLength({ inChannels, outChannels }: Conv2dShape, tile: WinogradTile): number {
  return places(tile) * quads(inChannels) * quads(outChannels) * QUAD ** 2;
}

/** 4-byte words of scratch that one sample takes, of each of the two buffers. */
export function winogradScratchWords(
  shape: Conv2dShape,
  tile: WinogradTile,
  direction: 'forward' | 'grad-input',
): { patches: number; products: number } {
  const { inChannels, outChannels } = direction === 'forward' ? shape : transposedShape(shape);
  const words = (channels: number) => places(tile) * quads(channels) * QUAD * tilesOf(shape, tile);
  return { patches: words(inChannels), products: words(outChannels) };
}

/** Filters from the weights of the forward pass, packed as packedIndex says; holds winogradFilterLength. */
export function winogradFilters(
  shape: Conv2dShape,
  tile: WinogradTile,
  { weights, filters }: { weights: PackedWeights; filters: BufferSlice },
): Dispatch {
  checkShape(shape);
  return elementwise(FILTERS, quads(shape.outChannels) * quads(shape.inChannels) * QUAD, {
    bindings: { weights, filters },
    uniforms: { in_channels: shape.inChannels, out_channels: shape.outChannels },
    flags: { TILE_4: tile === 4, ...weightsFlags(weights) },
    flopsEach: places(tile) * QUAD * MEMORY_FLOPS,
  });
}

type SizedSlice = BufferSlice & { readonly size: number };

export interface WinogradBuffers {
  /** Made by winogradFilters of the same shape and tile. */
  readonly filters: BufferSlice;
  /**
   * Scratch, in two buffers, for as many samples at a time as fit into both, winogradScratchWords for each: at least
   * for one. The number changes no bit of the result.
   */
  readonly patches: SizedSlice;
  readonly products: SizedSlice;
}

/** y = conv(x, weights) + bias, then what `Conv2dOutput` asks for. */
export function winogradConv2d(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  tile: WinogradTile,
  buffers: WinogradBuffers & Conv2dOutput & { x: BufferSlice },
): Dispatch[] {
  return stages(traits, shape, samples, tile, { ...buffers, backward: false });
}

/**
 * grad_x = the transposed convolution of grad_y. With a `gate` or `relu`, x was a ReLU's output, and the gradient is brought
 * to the front of that ReLU.
 */
export function winogradConv2dGradInput(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  tile: WinogradTile,
  { gradY, gradX, ...buffers }: WinogradBuffers & GradInputBuffers,
): Dispatch[] {
  return stages(traits, transposedShape(shape), samples, tile, { ...buffers, x: gradY, y: gradX, backward: true });
}

/** `shape` as the direction sees it: inChannels are those of x. */
function stages(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  tile: WinogradTile,
  {
    x,
    filters,
    patches,
    products,
    backward,
    ...output
  }: WinogradBuffers & Conv2dOutput & { x: BufferSlice; backward: boolean },
): Dispatch[] {
  checkShape(shape);
  const { inChannels, outChannels, height, width } = shape;
  const words = winogradScratchWords(shape, tile, 'forward');
  const most = Math.min(roomIn('patches', patches, words.patches), roomIn('products', products, words.products));
  const { flags, bindings } = outputVariant(output);
  const TILE_4 = tile === 4;
  const SUBGROUP_8 = traits.subgroupSize === 8;
  const SUBGROUPS = SUBGROUP_8 || traits.subgroupSize === 4;

  const dispatches: Dispatch[] = [];
  for (let first = 0; first < samples; first += most) {
    const count = Math.min(most, samples - first);
    const tiles = count * tilesOf(shape, tile);
    const picture = { first_sample: first, samples: count, height, width };
    dispatches.push(
      elementwise(INPUT, quads(inChannels) * QUAD * tiles, {
        bindings: { x, patches },
        uniforms: { ...picture, channels: inChannels },
        flags: { TILE_4, FLIPPED: backward },
        flopsEach: places(tile) * MEMORY_FLOPS,
      }),
      {
        kernel: kernel(PRODUCTS, { flags: { SUBGROUPS, SUBGROUP_8, TRANSPOSED: backward } }),
        bindings: { patches, filters, products },
        uniforms: { tiles, in_quads: quads(inChannels), out_quads: quads(outChannels) },
        workgroups: places(tile) * Math.ceil(quads(outChannels) / GROUP_QUADS) * Math.ceil(tiles / GROUP_TILES),
        flops: 2 * places(tile) * inChannels * outChannels * tiles,
      },
      elementwise(OUTPUT, Math.ceil(quads(outChannels) / 2) * tiles, {
        bindings: { products, ...bindings },
        uniforms: { ...picture, out_channels: outChannels },
        flags: { ...flags, TILE_4, FLIPPED: backward },
        flopsEach: places(tile) * 2 * QUAD * MEMORY_FLOPS,
      }),
    );
  }
  return dispatches;
}

/** Cells of a patch. */
function places(tile: WinogradTile): number {
  return (tile + 2) ** 2;
}

function quads(channels: number): number {
  return Math.ceil(channels / QUAD);
}

function tilesOf({ height, width }: Conv2dShape, tile: WinogradTile): number {
  return Math.ceil(height / tile) * Math.ceil(width / tile);
}

/** How many samples' scratch a slice holds. */
function roomIn(name: string, { size }: SizedSlice, wordsEach: number): number {
  const samples = Math.floor(size / (4 * wordsEach));
  if (samples >= 1) return samples;
  throw new Error(`${name} has ${size} bytes; one sample of this convolution takes ${4 * wordsEach}`);
}

function checkShape(shape: Conv2dShape): void {
  if (finishesOutputs(shape)) return;
  const { kernel, stride, padding } = shape;
  throw new Error(
    `kernel ${kernel}, stride ${stride} and padding ${padding} have no Winograd form; only 3, 1 and 1 have one`,
  );
}
