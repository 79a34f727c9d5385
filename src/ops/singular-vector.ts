/** The direction in which the feature maps of a picture are largest together. */
import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';

const gramSource = () => import('../../shaders/ops/singular-vector.gram.wgsl?raw');
const largestSource = () => import('../../shaders/ops/singular-vector.largest.wgsl?raw');
const sumSource = () => import('../../shaders/ops/singular-vector.sum.wgsl?raw');
const powerIterationSource = () => import('../../shaders/ops/singular-vector.wgsl?raw');

const LARGEST = source('singular-vector.largest', largestSource);
const GRAM = source('singular-vector.gram', gramSource, { libs: [powerLib] });
const SUM = source('singular-vector.sum', sumSource);
const POWER_ITERATION = source('singular-vector', powerIterationSource);

/** Maps in a side of the tile of the Gram matrix that an invocation makes, and the cells that it sums. */
const TILE = 4;
const SLICE_CELLS = 512;
/** Dispatches of the power iteration, so that a submit can be cut between them, and the steps of each. */
const ROUNDS = 8;
const STEPS_PER_ROUND = 64;
/** Of the vector's largest entry: steps smaller than this are mostly rounding. */
const TOLERANCE = 2 ** -20;

export interface SingularVectorShape {
  readonly maps: number;
  /** Height × width of a map. */
  readonly cells: number;
}

export interface SingularVectorScratch {
  /** One u32, zeroed by the caller. */
  readonly largest: BufferSlice;
  /** singularVectorGramFloats() */
  readonly gram: BufferSlice;
  /** [maps] */
  readonly product: BufferSlice;
  /** One u32. */
  readonly ended: BufferSlice;
}

/** Floats of the Gram matrix [maps, maps], once for each slice of the cells. */
export function singularVectorGramFloats({ maps, cells }: SingularVectorShape): number {
  return slicesOf(cells) * maps * maps;
}

function slicesOf(cells: number): number {
  return Math.ceil(cells / SLICE_CELLS);
}

/**
 * V, the first right singular vector of the feature maps `activations` [maps, cells] taken as a matrix [cells, maps],
 * with unit length, or 0 where they all are: A V is their projection in Eigen-CAM (Muhammad and Yeasin 2020). Of V and
 * −V it is the one on the side of (1, …, 1); for feature maps that are not negative, neither V nor A V is, by Perron and
 * Frobenius. It comes by power iteration on the Gram matrix Aᵀ A, to about 1e-6 / (1 − (σ₂ / σ₁)²) of its largest entry.
 * 512 steps are the limit: where the first two singular values differ by less than a hundredth the vector may still be
 * on its way, and where they are equal it is one of many.
 */
export function singularVector(
  { maps, cells }: SingularVectorShape,
  {
    activations,
    vector,
    largest,
    gram,
    product,
    ended,
  }: SingularVectorScratch & {
    activations: BufferSlice;
    vector: BufferSlice;
  },
): Dispatch[] {
  const slices = slicesOf(cells);
  const rounds = Array.from(
    { length: ROUNDS },
    (_, round): Dispatch => ({
      kernel: kernel(POWER_ITERATION, { constants: { ITERATIONS: STEPS_PER_ROUND, TOLERANCE } }),
      bindings: { gram, vector, product, ended },
      uniforms: { maps, is_first: round === 0 ? 1 : 0, is_last: round === ROUNDS - 1 ? 1 : 0 },
      workgroups: 1,
      flops: STEPS_PER_ROUND * maps * maps * MEMORY_FLOPS,
    }),
  );
  return [
    {
      kernel: kernel(LARGEST),
      bindings: { activations, largest },
      uniforms: { cells },
      workgroups: maps,
      flops: maps * cells * MEMORY_FLOPS,
    },
    elementwise(GRAM, slices * tilesOf(maps), {
      bindings: { activations, largest, gram },
      uniforms: { maps, cells, slice_cells: SLICE_CELLS, slices },
      flopsEach: 2 * TILE * Math.min(cells, SLICE_CELLS) * MEMORY_FLOPS,
    }),
    elementwise(SUM, maps * maps, {
      bindings: { gram },
      uniforms: { elements: maps * maps, slices },
      flopsEach: slices * MEMORY_FLOPS,
    }),
    ...rounds,
  ];
}

/** Invocations for the tiles on and above the diagonal: pairs of rows have one tile more than a row of the matrix. */
function tilesOf(maps: number): number {
  const tiles = Math.ceil(maps / TILE);
  return Math.ceil(tiles / 2) * (tiles + 1);
}
