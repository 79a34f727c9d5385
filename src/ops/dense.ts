/**
 * Fully connected layer, batched over samples. Its matrix lies in rows as in the weights file, [inputs][outputs] (Keras) or
 * [outputs][inputs] (torch), in blocks of 4 × 4 that serve forward and backward alike, and in the file's own number format
 * where that is smaller than float32. A matrix larger than a binding lies in slices of whole rows; which inputs are summed
 * together depends on the shape alone, so that the slicing does not change a bit of the result.
 */
import rectifyLib from '../../shaders/lib/rectify.wgsl?raw';
import sumSource from '../../shaders/ops/dense.sum.wgsl?raw';
import denseSource from '../../shaders/ops/dense.wgsl?raw';
import { LimitError } from '../errors.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { kernel } from '../gpu/kernel.ts';
import { type Direction, elementwise, MEMORY_FLOPS, source, WORKGROUP_SIZE } from './common.ts';

export interface DenseShape {
  readonly inputs: number;
  readonly outputs: number;
  /** Which index the rows of the matrix run over. */
  readonly rows: 'inputs' | 'outputs';
}

/** How the elements of a matrix become float32. Those of 8 bits are q · scale + min, rounded to float32 at each step. */
export type MatrixStorage =
  | { readonly dtype: 'float32' | 'float16' }
  | { readonly dtype: 'uint8'; readonly scale: number; readonly min: number };

/** Stored elements: float16 as its bits. */
export type StoredElements = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/** Consecutive rows of the matrix in a buffer of their own, as packRows() makes them. */
export interface MatrixSlice {
  readonly firstRow: number;
  readonly rows: number;
}

export interface DenseMatrix {
  readonly storage: MatrixStorage;
  readonly slices: readonly (MatrixSlice & { readonly weights: BufferSlice })[];
}

const PARTIAL = source('dense', denseSource, {
  flags: {
    SUBGROUPS: false,
    SUBGROUP_4: false,
    WHOLE_BLOCKS: false,
    TWO_BLOCKS: false,
    SAMPLES_2: false,
    SAMPLES_4: false,
    SAMPLES_8: false,
    SAMPLES_12: false,
    SAMPLES_16: false,
    SAMPLES_20: false,
    SAMPLES_24: false,
    ROWS_ARE_OUTPUTS: false,
    FLOAT16: false,
    UINT8: false,
  },
});
const EPILOGUE_FLAGS = { BIAS: false, RELU: false, GATE: false };
const SUM = source('dense.sum', sumSource, { libs: [rectifyLib], flags: EPILOGUE_FLAGS });

/** Side of the blocks that the matrix is made of. */
const BLOCK = 4;
/** Samples that one invocation may serve. */
const SAMPLES = [1, 2, 4, 8, 12, 16, 20, 24];
/** Inputs of one partial sum: enough partial sums to fill a GPU, few enough to add up quickly. */
const CHUNK = { least: 64, most: 512 } as const;
/** Workgroups that fill a GPU, for which sums are cut into shorter chunks. */
const ENOUGH_WORKGROUPS = 512;
const BYTES_PER_ELEMENT = { float32: 4, float16: 2, uint8: 1 } as const;

/** Slices, but the last, have a multiple of this many rows. */
export const ROW_STEP = CHUNK.least;

/** What one invocation computes: so many samples of so many blocks of outputs. */
interface Tile {
  readonly samples: number;
  readonly blocks: 1 | 2;
}

/**
 * Samples are cut into as few tiles as can be, and these are no larger than they must, so that few are computed for nothing.
 */
function chooseTile(traits: KernelTraits, samples: number): Tile {
  const tiles = Math.ceil(samples / mostSamples(traits));
  const served = SAMPLES.find((some) => some * tiles >= samples) as number;
  // Where every lane loads all inputs by itself, two blocks of outputs share them.
  const sharesInputs = traits.isSoftware && traits.subgroupSize === 0 && served > 2;
  return { samples: served, blocks: sharesInputs ? 2 : 1 };
}

/**
 * The most samples of a tile. On a core each further one that shares a load is a gain, until the loop becomes too much code,
 * which happens the sooner the more its loads and broadcasts take: these are the largest tiles that were quicker. A GPU hides
 * its loads behind other workgroups, and keeps fewer of these at hand the more sums an invocation has.
 */
function mostSamples({ isSoftware, subgroupSize }: KernelTraits): number {
  if (!isSoftware) return 8;
  if (subgroupSize === 0) return 4;
  return subgroupSize === 4 ? 8 : 24;
}

function roundUp(count: number, step: number): number {
  return Math.ceil(count / step) * step;
}

export function matrixSize({ inputs, outputs, rows }: DenseShape): { rows: number; columns: number } {
  return rows === 'inputs' ? { rows: inputs, columns: outputs } : { rows: outputs, columns: inputs };
}

/** The product that a direction computes: how long its sums are, how many there are, and along which side they run. */
function productSize(shape: DenseShape, direction: Direction) {
  const forward = direction === 'forward';
  const [inputs, outputs] = forward ? [shape.inputs, shape.outputs] : [shape.outputs, shape.inputs];
  return { inputs, outputs, rowsAreInputs: (shape.rows === 'inputs') === forward };
}

/** Inputs that one partial sum covers: a power of two that depends on nothing but the shape. */
function chunkOf({ inputs, outputs }: { inputs: number; outputs: number }): number {
  const workgroups = Math.ceil(outputs / (BLOCK * WORKGROUP_SIZE));
  let chunk: number = CHUNK.most;
  while (chunk > CHUNK.least && Math.ceil(inputs / chunk) * workgroups < ENOUGH_WORKGROUPS) chunk /= 2;
  return chunk;
}

/** Elements from one row of the stored matrix to the next; the gap is filled up. */
export function rowStride(shape: DenseShape): number {
  return roundUp(matrixSize(shape).columns, BLOCK);
}

/** Bytes of so many packed rows. */
export function packedBytes(shape: DenseShape, dtype: MatrixStorage['dtype'], rows: number): number {
  return roundUp(rows, BLOCK) * rowStride(shape) * BYTES_PER_ELEMENT[dtype];
}

/**
 * Rows of the matrix, rowStride() elements each, as the kernel takes them: four at a time, in blocks of 4 × 4, each block
 * row after row. Rows missing from the last four are zeros.
 */
export function packRows(shape: DenseShape, rows: StoredElements): Uint32Array<ArrayBuffer> {
  const stride = rowStride(shape);
  // In 4-byte words: a row of a block is one, two or four.
  const words = rows.BYTES_PER_ELEMENT;
  const blocks = stride / BLOCK;
  const from = new Uint32Array(rows.buffer, rows.byteOffset, rows.byteLength / 4);
  const count = rows.length / stride;
  const packed = new Uint32Array(roundUp(count, BLOCK) * blocks * words);
  for (let row = 0, read = 0; row < count; row++) {
    let write = (Math.floor(row / BLOCK) * blocks * BLOCK + (row % BLOCK)) * words;
    for (let block = 0; block < blocks; block++, write += (BLOCK - 1) * words) {
      for (let word = 0; word < words; word++) packed[write++] = from[read++];
    }
  }
  return packed;
}

/**
 * The slices of the matrix under a limit on the bytes of one binding, as few as can be.
 *
 * @throws LimitError when a single chunk of rows exceeds it.
 */
export function matrixSlices(shape: DenseShape, dtype: MatrixStorage['dtype'], maxBytes: number): MatrixSlice[] {
  const { rows } = matrixSize(shape);
  // A partial sum along the rows must not run from one slice into the next; one along the columns cannot.
  const step = chunkOf(productSize(shape, shape.rows === 'inputs' ? 'forward' : 'grad-input'));
  const stepBytes = packedBytes(shape, dtype, Math.min(step, rows));
  const stepsPerSlice = Math.floor(maxBytes / stepBytes);
  if (stepsPerSlice < 1) {
    throw new LimitError(`a fully connected layer of ${shape.inputs} × ${shape.outputs}`, {
      limit: 'maxStorageBufferBindingSize',
      needed: stepBytes,
      available: maxBytes,
    });
  }
  const rowsPerSlice = stepsPerSlice * step;
  const slices: MatrixSlice[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += rowsPerSlice) {
    slices.push({ firstRow, rows: Math.min(rowsPerSlice, rows - firstRow) });
  }
  return slices;
}

/** Floats per sample of the scratch tensor, the partial sums [chunks, samples, outputs]. */
export function denseScratch(shape: DenseShape, direction: Direction): number {
  const product = productSize(shape, direction);
  return Math.ceil(product.inputs / chunkOf(product)) * roundUp(product.outputs, BLOCK);
}

/** What happens to a finished sum, and the buffers that it takes. */
interface Epilogue {
  readonly flags: Partial<typeof EPILOGUE_FLAGS>;
  readonly bindings: Readonly<Record<string, BufferSlice>>;
  readonly uniforms?: Readonly<Record<string, number>>;
}

interface ProductBuffers {
  readonly x: BufferSlice;
  readonly y: BufferSlice;
  readonly matrix: DenseMatrix;
  /** denseScratch() floats per sample. */
  readonly scratch: BufferSlice;
}

/** y [samples, outputs] = x · W + bias, then ReLU if asked. */
export function dense(
  traits: KernelTraits,
  shape: DenseShape,
  samples: number,
  { bias, relu = false, ...buffers }: ProductBuffers & { bias: BufferSlice; relu?: boolean },
): Dispatch[] {
  const epilogue = { flags: { BIAS: true, RELU: relu }, bindings: { bias } };
  return multiply(traits, shape, 'forward', samples, buffers, epilogue);
}

/**
 * grad_x [samples, inputs] = grad_y · Wᵀ, brought to the front of the ReLU that made the input where `gate` is given:
 * the input itself [samples, inputs]; the gradient is 0 where that is not above 0. Where several gradients are taken behind
 * one forward pass, the input has `gates` rows, which sample s looks up at s modulo `gates`. With `positive`, what is not above
 * zero in it becomes zero.
 */
export function denseGradInput(
  traits: KernelTraits,
  shape: DenseShape,
  samples: number,
  {
    gradY,
    gradX,
    gate,
    gates = samples,
    positive = false,
    ...buffers
  }: Omit<ProductBuffers, 'x' | 'y'> & {
    gradY: BufferSlice;
    gradX: BufferSlice;
    gate?: BufferSlice;
    gates?: number;
    positive?: boolean;
  },
): Dispatch[] {
  const flags = { GATE: gate !== undefined, RELU: positive };
  const epilogue: Epilogue = gate ? { flags, bindings: { gate }, uniforms: { gates } } : { flags, bindings: {} };
  return multiply(traits, shape, 'grad-input', samples, { x: gradY, y: gradX, ...buffers }, epilogue);
}

function multiply(
  traits: KernelTraits,
  shape: DenseShape,
  direction: Direction,
  samples: number,
  { x, y, matrix: { storage, slices }, scratch }: ProductBuffers,
  epilogue: Epilogue,
): Dispatch[] {
  const product = productSize(shape, direction);
  const { inputs, outputs, rowsAreInputs } = product;
  const chunk = chunkOf(product);
  const tile = chooseTile(traits, samples);
  const variant = kernel(PARTIAL, {
    flags: {
      // Lanes share their loads where they can: these are what costs on a core, and never cheap.
      SUBGROUPS: traits.subgroupSize > 0,
      SUBGROUP_4: traits.subgroupSize === 4,
      WHOLE_BLOCKS: inputs % BLOCK === 0 && (tile.samples > 1 || traits.subgroupSize === 0),
      TWO_BLOCKS: tile.blocks === 2,
      SAMPLES_2: tile.samples >= 2,
      SAMPLES_4: tile.samples >= 4,
      SAMPLES_8: tile.samples >= 8,
      SAMPLES_12: tile.samples >= 12,
      SAMPLES_16: tile.samples >= 16,
      SAMPLES_20: tile.samples >= 20,
      SAMPLES_24: tile.samples >= 24,
      ROWS_ARE_OUTPUTS: !rowsAreInputs,
      FLOAT16: storage.dtype === 'float16',
      UINT8: storage.dtype === 'uint8',
    },
  });
  const blocksOf = (elements: number) => Math.ceil(elements / BLOCK);
  const rowOfBlocks = blocksOf(matrixSize(shape).columns);
  const sampleBlocks = Math.ceil(samples / tile.samples);
  const partials = slices.map(({ weights, firstRow, rows }): Dispatch => {
    const sliced = { first: blocksOf(firstRow), end: blocksOf(firstRow + rows) };
    const whole = (elements: number) => ({ first: 0, end: blocksOf(elements) });
    const [input, output] = rowsAreInputs ? [sliced, whole(outputs)] : [whole(inputs), sliced];
    const outputGroups = Math.ceil((output.end - output.first) / (tile.blocks * WORKGROUP_SIZE));
    const chunks = Math.ceil(((input.end - input.first) * BLOCK) / chunk);
    return {
      kernel: variant,
      bindings: { x, weights, partial_sums: scratch },
      uniforms: {
        samples,
        inputs,
        first_input: input.first,
        end_input: input.end,
        first_output: output.first,
        end_output: output.end,
        outputs: blocksOf(outputs),
        chunk: blocksOf(chunk),
        input_stride: rowsAreInputs ? rowOfBlocks : 1,
        output_stride: rowsAreInputs ? 1 : rowOfBlocks,
        ...(storage.dtype === 'uint8' && { scale: storage.scale, min: storage.min, no_bits: 0 }),
      },
      workgroups: sampleBlocks * outputGroups * chunks,
      flops: 2 * samples * rows * rowStride(shape),
    };
  });
  const chunks = Math.ceil(inputs / chunk);
  const sum = elementwise(SUM, samples * outputs, {
    flags: epilogue.flags,
    bindings: { partial_sums: scratch, y, ...epilogue.bindings },
    uniforms: { samples, outputs, outputs_4: blocksOf(outputs), chunks, ...epilogue.uniforms },
    flopsEach: chunks * MEMORY_FLOPS,
  });
  return [...partials, sum];
}
