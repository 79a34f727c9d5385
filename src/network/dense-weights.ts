/** Fully connected layers on their way to the GPU: their matrices go there piece by piece, packed in groups of whole rows. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/gpu.ts';
import {
  type DenseMatrix,
  type DenseShape,
  type MatrixStorage,
  matrixSize,
  matrixSlices,
  packedBytes,
  packRows,
  ROW_STEP,
  rowStride,
  type StoredElements,
} from '../ops/dense.ts';
import type { Precision } from '../precision.ts';
import { toFloat16 } from '../weights/float16.ts';
import type { TensorInfo, WeightsPiece } from '../weights/source.ts';
import type { DenseNode } from './graph.ts';
import { kernelShapes, type LayerLoad, type TensorSink, tensorOf } from './layer-tensors.ts';
import { denseShape } from './shapes.ts';
import { checkFloat16 } from './tensor-values.ts';

/** What a fully connected layer holds on the GPU. */
export interface DenseParameters {
  readonly matrix: DenseMatrix;
  readonly bias: BufferSlice;
}

/** Makes room for a layer on the GPU, and the sinks that fill it. */
export function denseSinks(
  load: LayerLoad,
  node: DenseNode,
): { held: DenseParameters; sinks: ReadonlyMap<string, TensorSink> } {
  const { gpu, graph, convention, precision, file } = load;
  const shape = denseShape(graph, node, convention);
  const bias = load.create(`${node.name} bias`, 4 * shape.outputs);
  const kernel = tensorOf(file, node, convention, 'kernel');
  const matrix = createMatrix(load, node.name, shape, matrixStorage(file.tensors.get(kernel), precision));
  const writer = new MatrixWriter(gpu, shape, matrix);
  const biasValues = new Float32Array(shape.outputs);
  const sinks = new Map<string, TensorSink>([
    [
      kernel,
      {
        shapes: kernelShapes(graph, node, convention),
        write: (piece) => writer.write(piece.offset, elementsOfPiece(piece, matrix.storage)),
      },
    ],
    [
      tensorOf(file, node, convention, 'bias'),
      {
        shapes: [[shape.outputs]],
        write: ({ offset, values }) => biasValues.set(values, offset),
        finish: () => gpu.write(bias.buffer, biasValues),
      },
    ],
  ]);
  return { held: { matrix, bias }, sinks };
}

function createMatrix(
  { gpu, create }: LayerLoad,
  node: string,
  shape: DenseShape,
  storage: MatrixStorage,
): DenseMatrix {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.limits;
  const maxBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const slices = matrixSlices(shape, storage.dtype, maxBytes).map((slice) => ({
    ...slice,
    weights: create(`${node} weights from row ${slice.firstRow}`, packedBytes(shape, storage.dtype, slice.rows)),
  }));
  return { storage, slices };
}

/** The file's own format where the kernels read it; the others are decoded, and rounded if that is asked for. */
function matrixStorage(tensor: TensorInfo | undefined, precision: Precision): MatrixStorage {
  // A missing tensor is reported with all others that are wrong.
  const encoding = tensor?.encoding;
  if (encoding?.dtype === 'uint8') return { dtype: 'uint8', scale: encoding.scale, min: encoding.min };
  return { dtype: encoding?.dtype === 'float16' || precision !== 'f32' ? 'float16' : 'float32' };
}

function elementsOfPiece(piece: WeightsPiece, { dtype }: MatrixStorage): StoredElements {
  // Values are decoded where they are asked for: not before that is known.
  if (dtype === 'float32') return piece.values;
  if (dtype === 'uint8') return piece.stored;
  const isStored = piece.tensor.encoding.dtype === 'float16';
  if (isStored) return new Uint16Array(piece.stored.buffer);
  checkFloat16(piece.values, piece.tensor, piece.offset);
  return toFloat16(piece.values);
}

/** Gathers a row-major matrix in groups of whole rows, and writes each packed to the slice that holds it. */
class MatrixWriter {
  readonly #gpu: Gpu;
  readonly #shape: DenseShape;
  readonly #matrix: DenseMatrix;
  readonly #rows: number;
  readonly #columns: number;
  /** ROW_STEP rows, with the gaps of the packed ones. */
  #group: StoredElements | undefined;

  constructor(gpu: Gpu, shape: DenseShape, matrix: DenseMatrix) {
    this.#gpu = gpu;
    this.#shape = shape;
    this.#matrix = matrix;
    ({ rows: this.#rows, columns: this.#columns } = matrixSize(shape));
  }

  /** Takes the elements from `offset` on; each call goes on where the last one ended. */
  write(offset: number, elements: StoredElements): void {
    const columns = this.#columns;
    const stride = rowStride(this.#shape);
    for (let done = 0; done < elements.length; ) {
      const row = Math.floor((offset + done) / columns);
      const column = (offset + done) % columns;
      const rowInGroup = row % ROW_STEP;
      const groupRows = Math.min(ROW_STEP, this.#rows - (row - rowInGroup));
      // Rows without a gap between them are one run, others go one by one.
      const room = stride === columns ? groupRows * columns - rowInGroup * columns - column : columns - column;
      const part = elements.subarray(done, done + room);
      this.#group ??= new (elements.constructor as new (length: number) => StoredElements)(ROW_STEP * stride);
      this.#group.set(part, rowInGroup * stride + column);
      done += part.length;
      if (offset + done === (row - rowInGroup + groupRows) * columns) this.#flush(row - rowInGroup, groupRows);
    }
  }

  #flush(firstRow: number, count: number): void {
    const { slices, storage } = this.#matrix;
    const slice = slices.find(({ firstRow: first, rows }) => firstRow >= first && firstRow < first + rows);
    if (!slice || !this.#group) throw new Error(`row ${firstRow} is in no slice`);
    const rows = this.#group.subarray(0, count * rowStride(this.#shape)) as StoredElements;
    const at = packedBytes(this.#shape, storage.dtype, firstRow - slice.firstRow);
    this.#gpu.write(slice.weights.buffer, packRows(this.#shape, rows), (slice.weights.offset ?? 0) + at);
    if (firstRow + count === this.#rows) this.#group = undefined;
  }
}
