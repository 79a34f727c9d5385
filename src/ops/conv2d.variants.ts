/** The kernels that a convolution can be computed with, and what each needs; the one place that knows them all. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import type { KernelSource } from '../gpu/kernel.ts';
import { DEFAULT_PRECISION, type Precision } from '../precision.ts';
import type { Direction } from './common.ts';
import {
  chooseImplicitGemmTile,
  halfGemmConv2d,
  halfGemmScratchWords,
  IMPLICIT_GEMM,
  IMPLICIT_GEMM_TILE_NAMES,
  type ImplicitGemmTile,
  implicitGemmConv2d,
} from './conv2d.implicit-gemm.ts';
import type { Conv2dOutput } from './conv2d.output.ts';
import {
  type Conv2dShape,
  conv2d,
  conv2dFlops,
  conv2dGradInput,
  directSource,
  finishesOutputs,
  type PackedWeights,
  transposedShape,
  transposeWeights,
  type WeightsDtype,
  weightsBytes,
} from './conv2d.ts';
import {
  type WinogradBuffers,
  type WinogradTile,
  winogradConv2d,
  winogradConv2dGradInput,
  winogradFilterLength,
  winogradFilters,
  winogradScratch,
  winogradSources,
} from './conv2d.winograd.ts';

type ImplicitGemm = `implicit-gemm-${ImplicitGemmTile}`;
type HalfGemm = `half-gemm-${ImplicitGemmTile}`;
type Winograd = 'winograd-2' | 'winograd-4';
export type Conv2dVariant = 'direct' | ImplicitGemm | Winograd | HalfGemm;

const IMPLICIT_GEMMS = IMPLICIT_GEMM_TILE_NAMES.map((tile): ImplicitGemm => `implicit-gemm-${tile}`);
const WINOGRADS: readonly Winograd[] = ['winograd-2', 'winograd-4'];

/** Kernels that compute in float32. */
export const CONV2D_VARIANTS: readonly Conv2dVariant[] = ['direct', ...IMPLICIT_GEMMS, ...WINOGRADS];
/** Kernels whose products are float16, for the precision 'f16'. */
export const HALF_VARIANTS: readonly Conv2dVariant[] = IMPLICIT_GEMM_TILE_NAMES.map(
  (tile): HalfGemm => `half-gemm-${tile}`,
);
/** Names of all kernels, as Gpu.request takes them to force one. */
export const ALL_CONV2D_VARIANTS: readonly Conv2dVariant[] = [...CONV2D_VARIANTS, ...HALF_VARIANTS];

/** How weights lie in memory: as the direct kernels' forward pass takes them, their backward pass, or transformed. */
export type WeightsForm = 'packed' | 'transposed' | Winograd;

/** Rows of a batch that the first guess counts with: larger jobs are split. */
const USUAL_ROWS = 8;

/**
 * Kernels that compute a convolution, the best guess for the adapter first.
 *
 * @param samples rows of the whole job, however they are batched
 * @param precision the arithmetic follows from it alone: with 'f16' all kernels but that for other windows compute in float16
 * @param evenly equal sums must be rounded alike in every cell: so that max-pooling sees the ties of a picture's even areas,
 * and sends their gradient to the first cell. F(4 × 4) does not; F(2 × 2), whose transforms only add and subtract, does.
 */
export function conv2dVariants(
  traits: KernelTraits,
  shape: Conv2dShape,
  direction: Direction,
  samples: number,
  precision: Precision = DEFAULT_PRECISION,
  evenly = false,
): readonly Conv2dVariant[] {
  if (!finishesOutputs(shape)) return ['direct'];
  const seen = direction === 'forward' ? shape : transposedShape(shape);
  if (precision === 'f16') {
    const first: HalfGemm = `half-gemm-${chooseImplicitGemmTile(seen, Math.min(samples, USUAL_ROWS))}`;
    return [first, ...HALF_VARIANTS.filter((variant) => variant !== first)];
  }
  const guess = firstGuess(traits, seen, samples, evenly ? ['winograd-2'] : WINOGRADS);
  return [guess, ...CONV2D_VARIANTS.filter((variant) => variant !== guess && !(evenly && variant === 'winograd-4'))];
}

/** A GPU's arithmetic is fast and its memory far; a processor's cores gain from every multiplication that is saved. */
function firstGuess(
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  winograds: readonly Winograd[],
): Conv2dVariant {
  const rows = Math.min(samples, USUAL_ROWS);
  if (!traits.isSoftware) return `implicit-gemm-${chooseImplicitGemmTile(shape, rows)}`;
  if (samples * conv2dFlops(shape) < WORTH_COMPILING_FLOPS) return 'direct';
  const cost = (variant: 'direct' | Winograd) => costOnCores(variant, shape, rows);
  return (['direct', ...winograds] as const).reduce((best, variant) => (cost(variant) < cost(best) ? variant : best));
}

/** Winograd's kernels take seconds to compile there, which a small layer does not win back. */
const WORTH_COMPILING_FLOPS = 3e9;
/** What a transform of one value costs on a processor's cores, in multiply-adds of the product that it serves. */
const TRANSFORM_COST = 40;
/**
 * Tiles in steps of which the product is counted; the last step may be idle in part. Its workgroups take half as many, but
 * counted like that F(4 × 4) would win at 14 × 14, where its larger filters, made in each batch, cost what it gains.
 */
const TILES_AT_A_TIME = 64;

function costOnCores(variant: 'direct' | Winograd, shape: Conv2dShape, rows: number): number {
  const { inChannels, outChannels, height, width } = shape;
  // Four channels stand together in the transformed values.
  const [x, y] = [Math.ceil(inChannels / 4) * 4, Math.ceil(outChannels / 8) * 8];
  if (variant === 'direct') return rows * height * width * 9 * inChannels * y;
  const m = tileOf(variant);
  const tiles = rows * Math.ceil(height / m) * Math.ceil(width / m);
  const places = (m + 2) ** 2;
  const products = Math.ceil(tiles / TILES_AT_A_TIME) * TILES_AT_A_TIME * places * x * y;
  return products + tiles * places * (x + y) * TRANSFORM_COST;
}

/** What a variant's kernels are made of, for shapes with finishesOutputs(). */
export function variantSources(variant: Conv2dVariant, traits: KernelTraits): readonly KernelSource[] {
  if (isWinograd(variant)) return winogradSources(traits);
  return [variant === 'direct' ? directSource(traits) : IMPLICIT_GEMM];
}

export function weightsForm(variant: Conv2dVariant, direction: Direction): WeightsForm {
  if (isWinograd(variant)) return variant;
  return direction === 'forward' ? 'packed' : 'transposed';
}

/** Bytes of the weights in a form, where the packed ones are of that number format. Transformed ones are float32. */
export function formBytes(form: WeightsForm, shape: Conv2dShape, dtype: WeightsDtype): number {
  if (form === 'packed') return weightsBytes(shape, dtype);
  return form === 'transposed'
    ? weightsBytes(transposedShape(shape), dtype)
    : 4 * winogradFilterLength(shape, tileOf(form));
}

/** A form that is made of the packed one. */
export type ConvertedForm = Exclude<WeightsForm, 'packed'>;

export function convertsWeights(form: WeightsForm): form is ConvertedForm {
  return form !== 'packed';
}

/** Makes the weights in another form from packed ones; transposed ones keep their number format. */
export function convertWeights(
  form: ConvertedForm,
  shape: Conv2dShape,
  { weights, converted }: { weights: PackedWeights; converted: BufferSlice },
): Dispatch {
  if (form === 'transposed') return transposeWeights(shape, { weights, transposed: converted });
  return winogradFilters(shape, tileOf(form), { weights, filters: converted });
}

/** What is known of each buffer that a kernel works in, by its name. */
export type Conv2dScratch<Known> = Partial<Record<'patches' | 'products' | 'magnitudes', Known>>;

/** Size of a buffer that a kernel works in. */
export interface ScratchSize {
  /** 4-byte words of one row. */
  readonly words: number;
  /** Rows beyond which it need not grow with the batch: the kernel works on a part of them at a time. */
  readonly mostRows: number;
}

/** The buffers that a kernel works in. */
export function conv2dScratch(
  variant: Conv2dVariant,
  traits: KernelTraits,
  shape: Conv2dShape,
  direction: Direction,
): Conv2dScratch<ScratchSize> {
  if (isWinograd(variant)) {
    const { words, growsWithSamples } = winogradScratch(traits, shape, tileOf(variant), direction);
    const size = (own: number) => ({ words: own, mostRows: growsWithSamples ? rowsWithin(SCRATCH_BYTES, own) : 1 });
    return { patches: size(words.patches), products: size(words.products) };
  }
  if (!isHalfGemm(variant)) return {};
  return { magnitudes: { words: halfGemmScratchWords().magnitudes, mostRows: Number.POSITIVE_INFINITY } };
}

/** Bytes of a scratch buffer beyond which a kernel works on a part of the rows at a time. */
const SCRATCH_BYTES = 24 * 2 ** 20;

function rowsWithin(bytes: number, words: number): number {
  return Math.max(1, Math.floor(bytes / (4 * words)));
}

export interface VariantBuffers {
  /** x for the forward pass, grad y for the backward pass. */
  readonly x: BufferSlice;
  /** In the form that weightsForm() says. */
  readonly weights: PackedWeights;
  /** As conv2dScratch() says. */
  readonly scratch?: Conv2dScratch<WinogradBuffers['patches']>;
}

/** y = conv(x, weights) + bias, then what `Conv2dOutput` asks for. */
export function runConv2d(
  variant: Conv2dVariant,
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { x, weights, scratch, ...output }: VariantBuffers & Conv2dOutput & { bias: BufferSlice },
): Dispatch[] {
  if (isWinograd(variant)) {
    const buffers = { x, filters: weights, ...winogradBuffers(scratch), ...output };
    return winogradConv2d(traits, shape, samples, tileOf(variant), buffers);
  }
  if (isHalfGemm(variant)) {
    const buffers = { x, weights, magnitudes: known(scratch?.magnitudes), ...output };
    return halfGemmConv2d(shape, samples, halfTile(variant), buffers);
  }
  if (variant === 'direct') return [conv2d(traits, shape, samples, { x, weights, ...output })];
  return [implicitGemmConv2d(shape, samples, gemmTile(variant), { x, weights, ...output })];
}

/** grad_x from grad_y, in front of the ReLU whose mask is the gate, if any; with `relu`, negative gradients are stopped. */
export function runConv2dGradInput(
  variant: Conv2dVariant,
  traits: KernelTraits,
  shape: Conv2dShape,
  samples: number,
  { x: gradY, weights, scratch, y: gradX, gate, relu }: VariantBuffers & Pick<Conv2dOutput, 'y' | 'gate' | 'relu'>,
): Dispatch[] {
  if (isWinograd(variant)) {
    const buffers = { gradY, gradX, gate, relu, filters: weights, ...winogradBuffers(scratch) };
    return winogradConv2dGradInput(traits, shape, samples, tileOf(variant), buffers);
  }
  if (variant === 'direct') return [conv2dGradInput(traits, shape, samples, { gradY, weights, gradX, gate, relu })];
  const buffers = { x: gradY, weights, y: gradX, gate, relu };
  if (isHalfGemm(variant)) {
    const magnitudes = known(scratch?.magnitudes);
    return halfGemmConv2d(transposedShape(shape), samples, halfTile(variant), { ...buffers, magnitudes });
  }
  return [implicitGemmConv2d(transposedShape(shape), samples, gemmTile(variant), buffers)];
}

function isWinograd(variant: Conv2dVariant): variant is Winograd {
  return variant === 'winograd-2' || variant === 'winograd-4';
}

function isHalfGemm(variant: Conv2dVariant): variant is HalfGemm {
  return variant.startsWith('half-gemm-');
}

function halfTile(variant: HalfGemm): ImplicitGemmTile {
  return variant.slice('half-gemm-'.length) as ImplicitGemmTile;
}

function gemmTile(variant: ImplicitGemm): ImplicitGemmTile {
  return variant.slice('implicit-gemm-'.length) as ImplicitGemmTile;
}

function tileOf(variant: Winograd): WinogradTile {
  return variant === 'winograd-2' ? 2 : 4;
}

function winogradBuffers(scratch: VariantBuffers['scratch']): Pick<WinogradBuffers, 'patches' | 'products'> {
  return { patches: known(scratch?.patches), products: known(scratch?.products) };
}

function known<T>(scratch: T | undefined): T {
  if (scratch === undefined) throw new Error('this kernel needs its scratch buffers');
  return scratch;
}
