/**
 * 3 × 3 convolution with stride 1 and padding 1 for GPUs: an implicit matrix product, tiled for workgroup memory and for
 * registers (shaders/ops/conv2d.implicit-gemm.wgsl). It needs no subgroups and stays within WebGPU's default limits.
 */
import conv3x3Lib from '../../shaders/lib/conv-3x3.wgsl?raw';
import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { type KernelSource, kernel } from '../gpu/kernel.ts';
import { MEMORY_FLOPS, source } from './common.ts';
import { type Conv2dOutput, OUTPUT_FLAGS, OUTPUT_LIBS, outputVariant } from './conv2d.output.ts';
import { type Conv2dInput, type Conv2dShape, conv2dFlops, WEIGHTS_FLAGS, WEIGHTS_LIB, weightsFlags } from './conv2d.ts';

const implicitGemmSource = () => import('../../shaders/ops/conv2d.implicit-gemm.wgsl?raw');
const magnitudeSource = () => import('../../shaders/ops/conv2d.magnitude.wgsl?raw');

/** What a workgroup computes at a time. A quad is 2 × 2 cells. */
interface Tile {
  /** Output channels, a multiple of 8. */
  readonly channels: number;
  readonly quads: 16 | 32;
  /** Quads of 8 channels that an invocation holds in registers, twice (the block being summed and the total). */
  readonly quadsPerInvocation: 1 | 2;
}

/**
 * Named by channels × cells. One quad of 8 channels takes about 100 registers, which leaves room for many invocations; two
 * ('-wide') take about 180 and read half as much of workgroup memory for each multiply-add, which is what limits GPUs whose
 * arithmetic is fast. Narrow tiles serve narrow layers, small ones layers with too few cells to fill a GPU.
 * All give the same bits.
 */
const TILES = {
  '64x128-wide': { channels: 64, quads: 32, quadsPerInvocation: 2 },
  '64x128': { channels: 64, quads: 32, quadsPerInvocation: 1 },
  '64x64': { channels: 64, quads: 16, quadsPerInvocation: 1 },
  '32x128': { channels: 32, quads: 32, quadsPerInvocation: 1 },
  '32x64': { channels: 32, quads: 16, quadsPerInvocation: 1 },
  '16x128': { channels: 16, quads: 32, quadsPerInvocation: 1 },
} as const satisfies Record<string, Tile>;

export type ImplicitGemmTile = keyof typeof TILES;

/** What a tuner has to choose from. */
export const IMPLICIT_GEMM_TILE_NAMES = Object.keys(TILES) as readonly ImplicitGemmTile[];

/** Below it a GPU has nothing to hide the latency of its memory with: a few workgroups for each of some hundred cores. */
const ENOUGH_WORKGROUPS = 512;

const LIBS = [conv3x3Lib, WEIGHTS_LIB, ...OUTPUT_LIBS];
const FLAGS = { ...OUTPUT_FLAGS, ...WEIGHTS_FLAGS, QUADS_16: false, TWO_QUADS: false, HALF: false };
export const IMPLICIT_GEMM = source('conv2d.implicit-gemm', implicitGemmSource, { libs: LIBS, flags: FLAGS });
const HALF_GEMM = source('conv2d.half-gemm', implicitGemmSource, { libs: [...LIBS, powerLib], flags: FLAGS });
const MAGNITUDE = source('conv2d.magnitude', magnitudeSource);

/** The tile to begin with where none has been measured: the largest that wastes no channels and gives enough workgroups. */
export function chooseImplicitGemmTile(shape: Conv2dShape, samples: number): ImplicitGemmTile {
  if (shape.outChannels <= 16) return '16x128';
  const narrow = shape.outChannels <= 32;
  const bySize: readonly ImplicitGemmTile[] = narrow ? ['32x128', '32x64'] : ['64x128-wide', '64x64', '32x64'];
  return bySize.find((tile) => countWorkgroups(shape, samples, tile) >= ENOUGH_WORKGROUPS) ?? '32x64';
}

/**
 * y = conv(x, weights), then what `Conv2dOutput` asks for; the input gradient for the transposed shape and the weights
 * that transposeWeights made. Gives the same bits as conv2d() for every tile and however samples are batched.
 *
 * @param shape with kernel 3, stride 1 and padding 1
 */
export function implicitGemmConv2d(
  shape: Conv2dShape,
  samples: number,
  tileName: ImplicitGemmTile,
  { x, weights, ...output }: Conv2dInput & Conv2dOutput,
): Dispatch {
  return product(IMPLICIT_GEMM, shape, samples, tileName, { x, weights, ...output });
}

/** Parts of a sample whose greatest magnitudes are looked for side by side; a multiple of 4. */
const MAGNITUDE_PARTS = 16;

/** 4-byte words of scratch that one sample takes of halfGemmConv2d(). */
export function halfGemmScratchWords(): { magnitudes: number } {
  return { magnitudes: MAGNITUDE_PARTS };
}

/** Products that are summed in float16: 9 taps of 4 channels, STEP of the shader. */
const HALF_TERMS = 36;
/** Sums of that many products of the greatest weight stay within it, whatever float16's rounding adds below 65504. */
const HALF_MOST = 2 ** 15;

/**
 * As implicitGemmConv2d(), with products in float16 of weights in float16, for devices with the feature shader-f16. The input
 * is scaled sample by sample, so that nothing overflows and small gradients keep their digits; sums of 36 products are
 * float16, and so exact to about 2^-11 of their size, the rest float32. All tiles give the same bits, however samples are
 * batched.
 *
 * @param buffers.weights in float16, with their greatest magnitude
 * @param buffers.magnitudes scratch, halfGemmScratchWords() for each sample
 */
export function halfGemmConv2d(
  shape: Conv2dShape,
  samples: number,
  tileName: ImplicitGemmTile,
  { x, weights, magnitudes, ...output }: Conv2dInput & Conv2dOutput & { magnitudes: BufferSlice },
): Dispatch[] {
  const { dtype, greatest } = weights;
  if (dtype !== 'float16' || greatest === undefined) {
    throw new Error('a convolution in float16 takes weights in float16, and their greatest magnitude');
  }
  const elements = shape.inChannels * shape.height * shape.width;
  // The power of two below which all scaled cells lie; float16's own range ends at 2^16.
  const most = greatest > 0 ? Math.min(15, Math.floor(Math.log2(HALF_MOST / (HALF_TERMS * greatest)))) : 15;
  return [
    {
      kernel: kernel(MAGNITUDE),
      bindings: { x, magnitudes },
      uniforms: { elements, parts: MAGNITUDE_PARTS },
      workgroups: samples * MAGNITUDE_PARTS,
      flops: samples * elements * MEMORY_FLOPS,
    },
    product(
      HALF_GEMM,
      shape,
      samples,
      tileName,
      { x, weights, ...output },
      { flags: { HALF: true }, bindings: { magnitudes }, uniforms: { parts: MAGNITUDE_PARTS, most } },
    ),
  ];
}

/** What the product in float16 has besides. */
interface Extra {
  readonly flags: Readonly<Record<string, boolean>>;
  readonly bindings: Readonly<Record<string, BufferSlice>>;
  readonly uniforms: Readonly<Record<string, number>>;
}

function product(
  from: KernelSource,
  shape: Conv2dShape,
  samples: number,
  tileName: ImplicitGemmTile,
  { x, weights, ...output }: Conv2dInput & Conv2dOutput,
  extra?: Extra,
): Dispatch {
  const tile = TILES[tileName];
  const { flags, bindings } = outputVariant(output);
  return {
    kernel: kernel(from, {
      flags: {
        ...flags,
        ...weightsFlags(weights),
        ...extra?.flags,
        QUADS_16: tile.quads === 16,
        TWO_QUADS: tile.quadsPerInvocation === 2,
      },
      constants: { CHANNELS: tile.channels },
    }),
    bindings: { x, weights, ...bindings, ...extra?.bindings },
    uniforms: {
      samples,
      in_channels: shape.inChannels,
      out_channels: shape.outChannels,
      height: shape.height,
      width: shape.width,
      line_quads: chooseLine(shape, tile),
      ...extra?.uniforms,
    },
    workgroups: countWorkgroups(shape, samples, tileName),
    flops: samples * conv2dFlops(shape),
  };
}

function countWorkgroups(shape: Conv2dShape, samples: number, tileName: ImplicitGemmTile): number {
  const tile = TILES[tileName];
  const line = chooseLine(shape, tile);
  const { rows, columns } = quadsOf(shape);
  const quads = samples * rows * Math.ceil(columns / line) * line;
  return Math.ceil(quads / tile.quads) * Math.ceil(shape.outChannels / tile.channels);
}

function quadsOf({ height, width }: Conv2dShape): { rows: number; columns: number } {
  return { rows: Math.ceil(height / 2), columns: Math.ceil(width / 2) };
}

/** Room for every other row of the patch, in twos of neighbouring cells: PATCH of the shader. */
function patchRoom({ quads }: Tile): number {
  return 3 * quads;
}

/** Lines of this many quads find room in the patch whatever the height, even where each is a strip of its own. */
const ANY_LINE = 8;

/** Quads of a line: as few idle ones as possible where the last strip sticks out, then the smallest patch. */
function chooseLine(shape: Conv2dShape, tile: Tile): number {
  const { rows, columns } = quadsOf(shape);
  const cost = (line: number) => Math.ceil(columns / line) * line + patchTwos(rows, line, tile) / 1000;
  const lines = Array.from({ length: columns }, (_, i) => i + 1);
  const fitting = lines.filter((line) => patchTwos(rows, line, tile) <= patchRoom(tile));
  return fitting.reduce((best, line) => (cost(line) < cost(best) ? line : best), ANY_LINE);
}

/** Twos of cells in every other row of the largest patch of a workgroup: of pairs of rows (see the shader). */
function patchTwos(rows: number, line: number, { quads }: Tile): number {
  const aligned = quads % line === 0;
  const lines = aligned ? quads / line : Math.ceil((quads - 1) / line) + 1;
  // Another strip begins with a pair of its own.
  const strips = aligned && rows % lines === 0 ? 1 : 1 + Math.ceil((lines - 1) / rows);
  return (lines + strips) * (line + 1);
}
