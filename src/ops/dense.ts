/**
 * Fully connected layer, batched over samples. Its matrix stays as the weights file has it, [inputs][outputs] (Keras) or
 * [outputs][inputs] (torch): one kernel sums along rows, the other along columns, and forward and backward take the one
 * that the order asks for. A matrix larger than a binding lies in slices of whole rows; which rows are summed together
 * depends on the shape alone, so the slicing does not change a bit of the result.
 */
import rectifyLib from '../../shaders/lib/rectify.wgsl?raw';
import byColumnsSource from '../../shaders/ops/dense.by-columns.wgsl?raw';
import byRowsSource from '../../shaders/ops/dense.by-rows.wgsl?raw';
import sumSource from '../../shaders/ops/dense.sum.wgsl?raw';
import { LimitError } from '../errors.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { kernel } from '../gpu/kernel.ts';
import { elementwise, MEMORY_FLOPS, source, WORKGROUP_SIZE } from './common.ts';

export interface DenseShape {
  readonly inputs: number;
  readonly outputs: number;
  /** Which index the rows of the matrix run over. */
  readonly rows: 'inputs' | 'outputs';
}

/** Consecutive rows of the matrix in a buffer of their own. */
export interface MatrixSlice {
  readonly firstRow: number;
  readonly rows: number;
}

const EPILOGUE_FLAGS = { BIAS: false, RELU: false, GATE: false };
const BY_COLUMNS = source('dense.by-columns', byColumnsSource, { flags: { MANY: false } });
const BY_ROWS = source('dense.by-rows', byRowsSource, {
  libs: [rectifyLib],
  flags: { MANY: false, ...EPILOGUE_FLAGS },
});
const SUM = source('dense.sum', sumSource, { libs: [rectifyLib], flags: EPILOGUE_FLAGS });

/** Rows that one partial sum covers: enough partial sums to fill a GPU, few enough to add up quickly. */
const CHUNK_ROWS = 512;
/** Samples that one invocation serves; below two, a kernel without the others is quicker. */
const COLUMN_SAMPLES = 8;
const ROW_SAMPLES = 4;

function matrix({ inputs, outputs, rows }: DenseShape): { rows: number; columns: number } {
  return rows === 'inputs' ? { rows: inputs, columns: outputs } : { rows: outputs, columns: inputs };
}

/** Floats from one row of the stored matrix to the next: rows begin at multiples of four, the gap is zero. */
export function rowStride(shape: DenseShape): number {
  return Math.ceil(matrix(shape).columns / 4) * 4;
}

/**
 * The slices of the matrix under a limit on the bytes of one binding, as few as can be.
 *
 * @throws LimitError when a single chunk of rows exceeds it.
 */
export function matrixSlices(shape: DenseShape, maxBytes: number): MatrixSlice[] {
  const { rows } = matrix(shape);
  const chunkBytes = Math.min(CHUNK_ROWS, rows) * rowStride(shape) * 4;
  const chunksPerSlice = Math.floor(maxBytes / chunkBytes);
  if (chunksPerSlice < 1) {
    throw new LimitError(`a fully connected layer of ${shape.inputs} × ${shape.outputs}`, {
      limit: 'maxStorageBufferBindingSize',
      needed: chunkBytes,
      available: maxBytes,
    });
  }
  const rowsPerSlice = chunksPerSlice * CHUNK_ROWS;
  const slices: MatrixSlice[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += rowsPerSlice) {
    slices.push({ firstRow, rows: Math.min(rowsPerSlice, rows - firstRow) });
  }
  return slices;
}

/** Floats of the scratch tensor [chunks, samples, columns] that a sum along columns needs per sample; 0 if it needs none. */
export function denseScratch(shape: DenseShape, direction: 'forward' | 'grad-input'): number {
  return sumsColumns(shape, direction) ? Math.ceil(matrix(shape).rows / CHUNK_ROWS) * rowStride(shape) : 0;
}

export interface DenseWeights {
  readonly slices: readonly (MatrixSlice & { readonly weights: BufferSlice })[];
}

/** What happens to a finished sum, and the buffers that it takes. */
interface Epilogue {
  readonly flags: Partial<typeof EPILOGUE_FLAGS>;
  readonly bindings: Readonly<Record<string, BufferSlice>>;
}
const NO_EPILOGUE: Epilogue = { flags: {}, bindings: {} };

/** y [samples, outputs] = x · W + bias, then ReLU if asked. */
export function dense(
  shape: DenseShape,
  samples: number,
  {
    x,
    y,
    bias,
    relu = false,
    ...matrix
  }: DenseWeights & { x: BufferSlice; bias: BufferSlice; y: BufferSlice; scratch?: BufferSlice; relu?: boolean },
): Dispatch[] {
  const epilogue = { flags: { BIAS: true, RELU: relu }, bindings: { bias } };
  return multiply(shape, 'forward', samples, { x, y, ...matrix }, epilogue);
}

/**
 * grad_x [samples, inputs] = grad_y · Wᵀ, brought to the front of the ReLU that made the input where `gate` is given:
 * the input itself [samples, inputs]; the gradient is 0 where that is not above 0.
 */
export function denseGradInput(
  shape: DenseShape,
  samples: number,
  {
    gradY,
    gradX,
    gate,
    ...matrix
  }: DenseWeights & { gradY: BufferSlice; gradX: BufferSlice; gate?: BufferSlice; scratch?: BufferSlice },
): Dispatch[] {
  const epilogue = gate ? { flags: { GATE: true }, bindings: { gate } } : NO_EPILOGUE;
  return multiply(shape, 'grad-input', samples, { x: gradY, y: gradX, ...matrix }, epilogue);
}

/** Whether the sum runs along the columns of the stored matrix. */
function sumsColumns(shape: DenseShape, direction: 'forward' | 'grad-input'): boolean {
  return (shape.rows === 'inputs') === (direction === 'forward');
}

function multiply(
  shape: DenseShape,
  direction: 'forward' | 'grad-input',
  samples: number,
  { x, y, slices, scratch }: DenseWeights & { x: BufferSlice; y: BufferSlice; scratch?: BufferSlice },
  epilogue: Epilogue,
): Dispatch[] {
  const { rows, columns } = matrix(shape);
  const columns_4 = rowStride(shape) / 4;
  const MANY = samples > 1;
  const sliceFlops = (slice: MatrixSlice) => samples * slice.rows * columns_4 * 8;
  if (!sumsColumns(shape, direction)) {
    return slices.map(
      ({ weights, ...slice }): Dispatch => ({
        kernel: kernel(BY_ROWS, { flags: { MANY, ...epilogue.flags } }),
        bindings: { x, weights, y, ...epilogue.bindings },
        uniforms: { samples, rows, columns, columns_4, slice_first_row: slice.firstRow, slice_rows: slice.rows },
        workgroups: Math.ceil(slice.rows / (2 * WORKGROUP_SIZE)) * (MANY ? Math.ceil(samples / ROW_SAMPLES) : 1),
        flops: sliceFlops(slice),
      }),
    );
  }
  if (!scratch) throw new Error('a fully connected layer that sums along columns needs its scratch tensor');
  const partials = slices.map(
    ({ weights, ...slice }): Dispatch => ({
      kernel: kernel(BY_COLUMNS, { flags: { MANY } }),
      bindings: { x, weights, partial_sums: scratch },
      uniforms: {
        samples,
        rows,
        columns_4,
        slice_first_row: slice.firstRow,
        slice_rows: slice.rows,
        chunk_rows: CHUNK_ROWS,
      },
      workgroups:
        Math.ceil(columns_4 / WORKGROUP_SIZE) *
        (MANY ? Math.ceil(samples / COLUMN_SAMPLES) : 1) *
        Math.ceil(slice.rows / CHUNK_ROWS),
      flops: sliceFlops(slice),
    }),
  );
  const chunks = Math.ceil(rows / CHUNK_ROWS);
  const sum = elementwise(SUM, samples * columns, {
    flags: epilogue.flags,
    bindings: { partial_sums: scratch, y, ...epilogue.bindings },
    uniforms: { samples, columns, columns_4, chunks },
    flopsEach: chunks * MEMORY_FLOPS,
  });
  return [...partials, sum];
}
