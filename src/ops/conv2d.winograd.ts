/**
 * Convolution with 3 × 3 kernels, stride 1 and padding 1 by Winograd's minimal filtering F(m × m, 3 × 3), with output
 * tiles of side m = 2 or 4: 2.25 or 4 times fewer multiplications than the direct sum, for float32 rounding errors about
 * 2 or 4 times as large.
 *
 * Three stages: patches of (m + 2)² cells are transformed, multiplied by transformed filters (a matrix product for each
 * place in the patch), and transformed back. The input gradient takes the same filters: its rotated kernels are made
 * by turning patches and tiles, its exchange of channels by the matrix product. On lavapipe one dispatch takes a few tiles at a
 * time through all stages, elsewhere each stage is a dispatch.
 */

import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { type KernelSource, kernel } from '../gpu/kernel.ts';
import { type Direction, elementwise, MEMORY_FLOPS, source } from './common.ts';
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

const sumsLib = () => import('../../shaders/lib/winograd-sums.wgsl?raw');
const winogradLib = () => import('../../shaders/lib/winograd.wgsl?raw');
const filtersSource = () => import('../../shaders/ops/conv2d.winograd-filters.wgsl?raw');
const inputSource = () => import('../../shaders/ops/conv2d.winograd-input.wgsl?raw');
const joinedSource = () => import('../../shaders/ops/conv2d.winograd-joined.wgsl?raw');
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
  libs: [sumsLib],
  flags: { SUBGROUPS: false, PAIRS: false, TRANSPOSED: false },
});
const OUTPUT = source('conv2d.winograd-output', outputSource, {
  libs: [winogradLib, ...OUTPUT_LIBS],
  flags: { ...OUTPUT_FLAGS, TILE_4: false, FLIPPED: false },
});

const JOINED = source('conv2d.winograd-joined', joinedSource, {
  libs: [winogradLib, sumsLib, ...OUTPUT_LIBS],
  flags: { ...OUTPUT_FLAGS, ALIGNED: false, TILE_4: false, FLIPPED: false, TRANSPOSED: false, PAIRS: true },
});

/**
 * Whether one dispatch goes through all stages. On lavapipe, whose subgroups have 8 lanes, patches and products then stay in the
 * cache. SwiftShader's, of 4, run on the same cores, but its compiler takes minutes for a kernel with so many loops.
 */
function joinsStages({ isSoftware, subgroupSize }: KernelTraits): boolean {
  return isSoftware && subgroupSize === 8;
}

/** Those of a whole convolution. */
export function winogradSources(traits: KernelTraits): readonly KernelSource[] {
  return joinsStages(traits) ? [FILTERS, JOINED] : [FILTERS, INPUT, PRODUCTS, OUTPUT];
}

/** Channels that stand together in filters, patches and products. */
const QUAD = 4;
/** What a workgroup of the products computes at a time, and one of the joined stages. */
export const GROUP_TILES = 32;
const GROUP_QUADS = 8;
/** Joined, a workgroup has patches and products of its own. So many keep the cores of most machines busy. */
const MOST_WORKGROUPS = 32;
/** Where tiles make fewer, several workgroups share them: the patches that each makes cost less than idle cores. */
const FEW_WORKGROUPS = 8;

/** Floats of the transformed filters, which serve both directions. */
export function winogradFilterLength({ inChannels, outChannels }: Conv2dShape, tile: WinogradTile): number {
  return places(tile) * quads(inChannels) * quads(outChannels) * QUAD ** 2;
}

/** What is known of both scratch buffers. */
interface Scratch<Known> {
  patches: Known;
  products: Known;
}

/**
 * 4-byte words of scratch that one sample takes. Where the stages are joined, several samples need no more:
 * `growsWithSamples` is then false.
 */
export function winogradScratch(
  traits: KernelTraits,
  shape: Conv2dShape,
  tile: WinogradTile,
  direction: Direction,
): { words: Scratch<number>; growsWithSamples: boolean } {
  const seen = direction === 'forward' ? shape : transposedShape(shape);
  if (!joinsStages(traits)) return { words: stagedWords(seen, tile), growsWithSamples: true };
  const { jobs } = dealJobs(seen, 1, tile);
  const { patches, products } = workgroupWords(seen, tile);
  const workgroups = Math.min(jobs, MOST_WORKGROUPS);
  return { words: { patches: workgroups * patches, products: workgroups * products }, growsWithSamples: false };
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
   * Scratch, in two buffers: winogradScratch() of one sample at least, and with more of it fewer parts that wait for each other.
   * How much there is changes no bit of the result.
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
  return layer(traits, shape, samples, tile, { ...buffers, backward: false });
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
  return layer(traits, transposedShape(shape), samples, tile, { ...buffers, x: gradY, y: gradX, backward: true });
}

type Layer = WinogradBuffers & Conv2dOutput & { x: BufferSlice; backward: boolean };

/** `shape` as the direction sees it: inChannels are those of x. */
function layer(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  tile: WinogradTile,
  buffers: Layer,
): Dispatch[] {
  checkShape(shape);
  return joinsStages(traits) ? [joined(shape, samples, tile, buffers)] : stages(traits, shape, samples, tile, buffers);
}

/** All stages in one dispatch, whose workgroups take a few tiles at a time from the first to the last. */
function joined(
  shape: Conv2dShape,
  samples: number,
  tile: WinogradTile,
  { x, filters, patches, products, backward, ...output }: Layer,
): Dispatch {
  const { inChannels, outChannels, height, width } = shape;
  const { jobs, parts } = dealJobs(shape, samples, tile);
  const most = roomFor({ patches, products }, workgroupWords(shape, tile));
  const workgroups = Math.min(jobs, most);
  const { flags, bindings } = outputVariant(output);
  const transforms = parts * inChannels + outChannels;
  return {
    kernel: kernel(JOINED, {
      flags: {
        ...flags,
        ALIGNED: width % tile === 0,
        TILE_4: tile === 4,
        FLIPPED: backward,
        TRANSPOSED: backward,
      },
    }),
    bindings: { x, filters, patches, products, ...bindings },
    uniforms: {
      samples,
      in_channels: inChannels,
      out_channels: outChannels,
      height,
      width,
      parts,
      quads: quadsAtOnce(shape, tile),
      workgroups,
      group_quads: GROUP_QUADS,
      tile,
    },
    workgroups,
    flops: samples * tilesOf(shape, tile) * places(tile) * (2 * inChannels * outChannels + transforms * MEMORY_FLOPS),
  };
}

/** What the workgroups of the joined stages do: groups of tiles, and of few the `parts` of the output channels. */
function dealJobs(shape: Conv2dShape, samples: number, tile: WinogradTile): { jobs: number; parts: number } {
  const groups = Math.ceil((samples * tilesOf(shape, tile)) / GROUP_TILES);
  const blocks = Math.ceil(quads(shape.outChannels) / GROUP_QUADS);
  const blocksEach = Math.ceil(blocks / Math.min(blocks, Math.ceil(FEW_WORKGROUPS / groups)));
  const parts = Math.ceil(blocks / blocksEach);
  return { jobs: groups * parts, parts };
}

/**
 * Output channels, in quads, whose products a workgroup holds at once: those that are its part of a single sample. With more of
 * them a place's patches and filters are met again sooner, and the scratch is larger.
 */
function quadsAtOnce(shape: Conv2dShape, tile: WinogradTile): number {
  const blocks = Math.ceil(quads(shape.outChannels) / GROUP_QUADS);
  return Math.ceil(blocks / dealJobs(shape, 1, tile).parts) * GROUP_QUADS;
}

/** 4-byte words of scratch of a workgroup of the joined stages. */
function workgroupWords(shape: Conv2dShape, tile: WinogradTile): Scratch<number> {
  const words = (ofQuads: number) => places(tile) * ofQuads * QUAD * GROUP_TILES;
  return { patches: words(quads(shape.inChannels)), products: words(quadsAtOnce(shape, tile)) };
}

/** A dispatch for each stage, for as many samples at a time as the scratch has room for. */
function stages(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  tile: WinogradTile,
  { x, filters, patches, products, backward, ...output }: Layer,
): Dispatch[] {
  const { inChannels, outChannels, height, width } = shape;
  const most = roomFor({ patches, products }, stagedWords(shape, tile));
  const { flags, bindings } = outputVariant(output);
  const TILE_4 = tile === 4;

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
        kernel: kernel(PRODUCTS, { flags: { SUBGROUPS: traits.subgroupSize === 4, TRANSPOSED: backward } }),
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

/** 4-byte words of scratch of one sample. */
function stagedWords(shape: Conv2dShape, tile: WinogradTile): Scratch<number> {
  const words = (channels: number) => places(tile) * quads(channels) * QUAD * tilesOf(shape, tile);
  return { patches: words(shape.inChannels), products: words(shape.outChannels) };
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

/** How many times the scratch of a sample or a workgroup fits into both buffers. */
function roomFor(scratch: Scratch<SizedSlice>, words: Scratch<number>): number {
  const room = (name: keyof Scratch<unknown>) => {
    const [{ size }, bytes] = [scratch[name], 4 * words[name]];
    if (size < bytes) throw new Error(`${name} has ${size} bytes; this convolution takes ${bytes}`);
    return Math.floor(size / bytes);
  };
  return Math.min(room('patches'), room('products'));
}

function checkShape(shape: Conv2dShape): void {
  if (!finishesOutputs(shape)) throw new Error("Winograd's convolution takes kernels of 3 × 3, stride 1 and padding 1");
}
