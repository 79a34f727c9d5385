/**
 * A network's weights on the GPU. Tensors come in pieces in the file's order; convolutions are gathered in the layout of
 * their kernel in float32, fully connected matrices go to the GPU piece by piece, in the file's own number format or in
 * float16.
 */
import { OptionError, WeightsError } from '../errors.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Conv2dShape, packedIndex, packedLength } from '../ops/conv2d.ts';
import { convertWeights, formLength, type WeightsForm } from '../ops/conv2d.variants.ts';
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
import { decode } from '../weights/decode.ts';
import { FLOAT16_OVERFLOW, toFloat16 } from '../weights/float16.ts';
import type { LoadProgress, TensorInfo, WeightsFile, WeightsPiece } from '../weights/source.ts';
import type { Conv2dNode, Convention, DenseNode, Graph } from './graph.ts';
import { convShape, denseShape } from './shapes.ts';

export interface ConvParameters {
  readonly weights: BufferSlice;
  readonly bias: BufferSlice;
}
export interface DenseParameters {
  readonly matrix: DenseMatrix;
  readonly bias: BufferSlice;
}

/** Weights of a convolution of the graph, in the form that a kernel takes. */
export interface NeededWeights {
  readonly node: Conv2dNode;
  readonly form: WeightsForm;
}

/** How weights can be held on the GPU. */
export const PRECISIONS = ['f32', 'f16-storage'] as const;
/** One of PRECISIONS. */
export type Precision = (typeof PRECISIONS)[number];
export const DEFAULT_PRECISION: Precision = 'f32';

export interface LoadOptions {
  /**
   * How the weights are held on the GPU; the arithmetic is float32 in any case. 'f32' keeps every value of the file as it is.
   * 'f16-storage' rounds the fully connected matrices to float16, which takes 528 MiB for VGG-16 down to 292; those of 8 bits
   * are smaller as they are, and stay. Default 'f32'.
   */
  precision?: Precision;
  /** Called as bytes come in. */
  onProgress?: (progress: LoadProgress) => void;
  /** Stops the load with an AbortError. */
  signal?: AbortSignal;
}

/** Bytes handed to the queue before the loader waits for the GPU to take them: bounds what the driver holds twice. */
const UPLOAD_WINDOW_BYTES = 64 * 2 ** 20;
/** torch's and Keras's ε of batch normalisation. */
const BATCH_NORM_EPSILON: Record<Convention, number> = { torch: 1e-5, keras: 1e-3 };

/** @throws OptionError */
export function checkPrecision(precision: Precision = DEFAULT_PRECISION): Precision {
  if (PRECISIONS.includes(precision)) return precision;
  throw new OptionError('precision', precision, `${PRECISIONS.join(', ')}; the arithmetic is float32 in both`);
}

export class Parameters {
  readonly convention: Convention;
  readonly precision: Precision;
  readonly gpu: Gpu;
  readonly #graph: Graph;
  readonly #convs = new Map<string, ConvParameters>();
  /** Other forms of weights, by formKey. */
  readonly #converted = new Map<string, BufferSlice>();
  readonly #denses = new Map<string, DenseParameters>();
  readonly #buffers: GPUBuffer[] = [];
  #preparing: Promise<void> = Promise.resolve();

  private constructor(gpu: Gpu, graph: Graph, convention: Convention, precision: Precision) {
    this.gpu = gpu;
    this.#graph = graph;
    this.convention = convention;
    this.precision = precision;
  }

  /**
   * Reads the file and fills the GPU. Everything that the names and shapes can tell is checked before the first byte.
   *
   * @throws WeightsError when a tensor is missing, has another shape, is not the network's, cannot be read, or does not fit
   * the precision; LimitError; OptionError
   */
  static async load(gpu: Gpu, graph: Graph, file: WeightsFile, options: LoadOptions = {}): Promise<Parameters> {
    const precision = checkPrecision(options.precision);
    const convention = detectConvention(graph, file);
    const parameters = new Parameters(gpu, graph, convention, precision);
    try {
      await parameters.#fill(file, options);
      return parameters;
    } catch (error) {
      parameters.dispose();
      throw error;
    }
  }

  conv(node: string): ConvParameters {
    return known(this.#convs.get(node), node);
  }

  dense(node: string): DenseParameters {
    return known(this.#denses.get(node), node);
  }

  /** A convolution's weights in a form that prepare() has made. */
  weights(node: string, form: WeightsForm): BufferSlice {
    return form === 'packed' ? this.conv(node).weights : known(this.#converted.get(formKey(node, form)), node);
  }

  bias(node: string): BufferSlice {
    return this.conv(node).bias;
  }

  /** Makes these forms of convolutions' weights, where they are not made yet. */
  prepare(needed: readonly NeededWeights[]): Promise<void> {
    // One after the other, so that explanations at once make nothing twice and use nothing that is not there yet.
    const turn = this.#preparing.then(() => this.#convert(needed));
    this.#preparing = turn.catch(() => {});
    return turn;
  }

  async #convert(needed: readonly NeededWeights[]): Promise<void> {
    const made = new Map<string, BufferSlice>();
    const missing = (key: string) => !this.#converted.has(key) && !made.has(key);
    try {
      const dispatches = await this.gpu.guard(async () =>
        needed.flatMap(({ node, form }) => {
          if (form === 'packed' || !missing(formKey(node.name, form))) return [];
          const shape = convShape(this.#graph, node);
          const converted = this.#create(`${node.name} weights, ${form}`, formLength(form, shape));
          made.set(formKey(node.name, form), converted);
          return [convertWeights(form, shape, { weights: this.conv(node.name).weights, converted })];
        }),
      );
      if (dispatches.length > 0) await this.gpu.run(dispatches);
    } catch (error) {
      for (const { buffer } of made.values()) this.gpu.pool.destroy(buffer);
      throw error;
    }
    for (const [key, converted] of made) this.#converted.set(key, converted);
  }

  dispose(): void {
    for (const buffer of this.#buffers) this.gpu.pool.destroy(buffer);
    this.#buffers.length = 0;
  }

  #create(label: string, floats: number): BufferSlice {
    const buffer = this.gpu.createBuffer(label, floats * 4);
    this.#buffers.push(buffer);
    return { buffer };
  }

  async #fill(file: WeightsFile, { onProgress, signal }: LoadOptions): Promise<void> {
    const sinks = await this.gpu.guard(async () => this.#sinks(file));
    checkTensors(sinks, file);
    const wanted = (name: string) => sinks.has(name);
    let waiting = 0;
    for await (const piece of file.stream({ wanted, onProgress, signal })) {
      checkFinite(piece);
      sinks.get(piece.tensor.name)?.write(piece);
      // In float32 at most.
      waiting += 4 * piece.count;
      if (waiting >= UPLOAD_WINDOW_BYTES) {
        waiting = 0;
        this.gpu.device.queue.submit([]);
        await this.gpu.device.queue.onSubmittedWorkDone();
      }
    }
    for (const sink of sinks.values()) sink.finish?.();
  }

  /** Where each tensor of the file goes. */
  #sinks(file: WeightsFile): Map<string, TensorSink> {
    const sinks = new Map<string, TensorSink>();
    for (const node of this.#graph.nodes) {
      if (node.op === 'conv2d') this.#addConvSinks(sinks, file, node);
      if (node.op === 'dense') this.#addDenseSinks(sinks, file, node);
    }
    return sinks;
  }

  #addConvSinks(sinks: Map<string, TensorSink>, file: WeightsFile, node: Conv2dNode): void {
    const shape = convShape(this.#graph, node);
    const { inChannels, outChannels, kernel } = shape;
    const taps = kernel ** 2;
    const weights = this.#create(`${node.name} weights`, packedLength(shape));
    const bias = this.#create(`${node.name} bias`, outChannels);
    this.#convs.set(node.name, { weights, bias });

    let packed: Float32Array<ArrayBuffer> | undefined;
    // File order to packed order: [kernel, kernel, in, out] in Keras, [out, in, kernel, kernel] in torch.
    const packedAt =
      this.convention === 'keras'
        ? (e: number) => {
            const io = e % (inChannels * outChannels);
            const t = Math.floor(e / (inChannels * outChannels));
            return packedIndex(shape, io % outChannels, Math.floor(io / outChannels), t);
          }
        : (e: number) => {
            const it = e % (inChannels * taps);
            return packedIndex(shape, Math.floor(e / (inChannels * taps)), Math.floor(it / taps), it % taps);
          };
    const biasValues = new Float32Array(outChannels);
    const norm = node.batchNorm ? new BatchNorm(outChannels, BATCH_NORM_EPSILON[this.convention]) : undefined;
    const upload = () => {
      if (!packed) return;
      norm?.fold(packed, biasValues, (o) => channelIndices(shape, o));
      this.gpu.write(weights.buffer, packed);
      this.gpu.write(bias.buffer, biasValues);
      packed = undefined;
    };
    sinks.set(tensorOf(file, node, this.convention, 'kernel'), {
      node: node.name,
      shapes: kernelShapes(this.#graph, node, this.convention),
      write: ({ offset, values }) => {
        packed ??= new Float32Array(packedLength(shape));
        for (let i = 0; i < values.length; i++) packed[packedAt(offset + i)] = values[i];
        // Without batch normalisation the weights are final as soon as they are complete.
        if (!norm && offset + values.length === taps * inChannels * outChannels) {
          this.gpu.write(weights.buffer, packed);
          packed = undefined;
        }
      },
      finish: norm ? upload : undefined,
    });
    const biasTensor = tensorOf(file, node, this.convention, 'bias');
    // Convolutions in front of batch normalisation may have no bias of their own.
    if (!norm || file.tensors.has(biasTensor)) {
      sinks.set(biasTensor, {
        node: node.name,
        shapes: [[outChannels]],
        write: ({ offset, values }) => biasValues.set(values, offset),
        finish: norm ? undefined : () => this.gpu.write(bias.buffer, biasValues),
      });
    }
    if (norm) {
      const names = node.batchNorm ?? [];
      for (const part of BATCH_NORM_PARTS) {
        sinks.set(findTensor(file, names, BATCH_NORM_SUFFIX[this.convention][part]), {
          node: node.name,
          shapes: [[outChannels]],
          write: ({ offset, values }) => norm[part].set(values, offset),
        });
      }
    }
  }

  #createMatrix(node: string, shape: DenseShape, storage: MatrixStorage): DenseMatrix {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.gpu.limits;
    const maxBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const slices = matrixSlices(shape, storage.dtype, maxBytes).map((slice) => ({
      ...slice,
      weights: this.#create(
        `${node} weights from row ${slice.firstRow}`,
        packedBytes(shape, storage.dtype, slice.rows) / 4,
      ),
    }));
    return { storage, slices };
  }

  #addDenseSinks(sinks: Map<string, TensorSink>, file: WeightsFile, node: DenseNode): void {
    const shape = denseShape(this.#graph, node, this.convention);
    const bias = this.#create(`${node.name} bias`, shape.outputs);
    const kernel = tensorOf(file, node, this.convention, 'kernel');
    const matrix = this.#createMatrix(node.name, shape, matrixStorage(file.tensors.get(kernel), this.precision));
    this.#denses.set(node.name, { matrix, bias });
    const writer = new MatrixWriter(this.gpu, shape, matrix);
    sinks.set(kernel, {
      node: node.name,
      shapes: kernelShapes(this.#graph, node, this.convention),
      write: (piece) => writer.write(piece.offset, elementsOfPiece(piece, matrix.storage)),
    });
    const biasValues = new Float32Array(shape.outputs);
    sinks.set(tensorOf(file, node, this.convention, 'bias'), {
      node: node.name,
      shapes: [[shape.outputs]],
      write: ({ offset, values }) => biasValues.set(values, offset),
      finish: () => this.gpu.write(bias.buffer, biasValues),
    });
  }
}

/** Shapes that a layer's matrix or kernel may have in a file. */
export function kernelShapes(graph: Graph, node: Conv2dNode | DenseNode, convention: Convention): number[][] {
  if (node.op === 'conv2d') {
    const { inChannels, outChannels, kernel } = convShape(graph, node);
    return convention === 'keras'
      ? [[kernel, kernel, inChannels, outChannels]]
      : [[outChannels, inChannels, kernel, kernel]];
  }
  const { inputs, outputs } = denseShape(graph, node, convention);
  if (convention === 'keras') return [[inputs, outputs]];
  const source = graph.node(node.inputs[0]);
  const maps = graph.shape(source.op === 'flatten' ? source.inputs[0] : source.name);
  // timm keeps fully connected layers as convolutions over the whole map.
  return [
    [outputs, inputs],
    [outputs, ...maps],
  ];
}

/** Where the pieces of one tensor go. */
interface TensorSink {
  readonly node: string;
  /** Shapes that the tensor may have. */
  readonly shapes: readonly (readonly number[])[];
  write(piece: WeightsPiece): void;
  /** When the whole file has been read. */
  finish?(): void;
}

const SUFFIX: Record<Convention, Record<'kernel' | 'bias', readonly string[]>> = {
  keras: { kernel: ['/kernel', '.kernel'], bias: ['/bias', '.bias'] },
  torch: { kernel: ['.weight'], bias: ['.bias'] },
};
const BATCH_NORM_PARTS = ['gamma', 'beta', 'mean', 'variance'] as const;
type BatchNormPart = (typeof BATCH_NORM_PARTS)[number];
const BATCH_NORM_SUFFIX: Record<Convention, Record<BatchNormPart, readonly string[]>> = {
  keras: {
    gamma: ['/gamma', '.gamma'],
    beta: ['/beta', '.beta'],
    mean: ['/moving_mean', '.moving_mean'],
    variance: ['/moving_variance', '.moving_variance'],
  },
  torch: { gamma: ['.weight'], beta: ['.bias'], mean: ['.running_mean'], variance: ['.running_var'] },
};

/** Keras's files use the nodes' own names, torch's the aliases. */
function namesOf({ name, aliases = [] }: Conv2dNode | DenseNode, convention: Convention): string[] {
  return convention === 'keras' ? [name, ...aliases] : [...aliases, name];
}

/** The tensor's name in the file; if it is not there, what it would be called, so that a message can name it. */
function findTensor(file: WeightsFile, names: readonly string[], suffixes: readonly string[]): string {
  const candidates = names.flatMap((name) => suffixes.map((suffix) => name + suffix));
  const found = candidates.find((name) => file.tensors.has(name));
  if (found) return found;
  // Another tensor of the same layer tells which of its names the file uses.
  const inFile = [...file.tensors.keys()];
  const used = names.find((name) =>
    inFile.some((tensor) => tensor.startsWith(`${name}.`) || tensor.startsWith(`${name}/`)),
  );
  return (used ?? names[0]) + suffixes[0];
}

function tensorOf(
  file: WeightsFile,
  node: Conv2dNode | DenseNode,
  convention: Convention,
  part: 'kernel' | 'bias',
): string {
  return findTensor(file, namesOf(node, convention), SUFFIX[convention][part]);
}

/** What the file holds as a layer's matrix or kernel, if it holds one. */
export function kernelInFile(
  file: WeightsFile,
  node: Conv2dNode | DenseNode,
  convention: Convention,
): TensorInfo | undefined {
  return file.tensors.get(tensorOf(file, node, convention, 'kernel'));
}

/** Layers that have weights, in forward order. */
export function weightedLayers(graph: Graph): (Conv2dNode | DenseNode)[] {
  return graph.nodes.filter((node) => node.op === 'conv2d' || node.op === 'dense');
}

/** Keras calls its matrices 'kernel', torch 'weight': the names tell which layout and which preprocessing to use. */
export function findConvention(graph: Graph, file: WeightsFile): Convention | undefined {
  const [first] = weightedLayers(graph);
  return (['keras', 'torch'] as const).find((convention) => kernelInFile(file, first!, convention));
}

function detectConvention(graph: Graph, file: WeightsFile): Convention {
  const convention = findConvention(graph, file);
  if (convention !== undefined) return convention;
  const [first] = weightedLayers(graph);
  throw new WeightsError(`these are not weights of ${graph.name}`, {
    file: file.origin,
    tensor: first.name,
    expected: [`${first.name}/kernel`, ...(first.aliases ?? []).map((alias) => `${alias}.weight`)].join(' or '),
    found: listTensors(file),
  });
}

function listTensors(file: WeightsFile): string {
  const names = [...file.tensors.keys()];
  return names.length === 0 ? 'no tensors' : names.slice(0, 4).join(', ') + (names.length > 4 ? ', …' : '');
}

function checkTensors(sinks: ReadonlyMap<string, TensorSink>, file: WeightsFile): void {
  for (const [name, { shapes }] of sinks) {
    const tensor = file.tensors.get(name);
    const expected = shapes.map(formatShape).join(' or ');
    if (!tensor) {
      throw new WeightsError('a tensor of the network is missing', {
        file: file.origin,
        tensor: name,
        expected,
        found: `no such tensor among ${file.tensors.size} (${listTensors(file)})`,
      });
    }
    if (!shapes.some((shape) => sameShape(shape, tensor))) {
      throw new WeightsError('a tensor has another shape than the network', {
        file: tensor.file,
        tensor: name,
        expected,
        found: formatShape(tensor.shape),
      });
    }
  }
  for (const [name, tensor] of file.tensors) {
    if (!sinks.has(name)) {
      // Most likely the file of a deeper network: its other tensors would be silently misused.
      throw new WeightsError('the file holds a tensor that the network does not have', {
        file: tensor.file,
        tensor: name,
        expected: `the ${sinks.size} tensors of the network only`,
        found: `${name} ${formatShape(tensor.shape)}`,
      });
    }
  }
}

/** One NaN in a weight spreads to every score, or is swallowed by a ReLU and shows nowhere. */
function checkFinite(piece: WeightsPiece): void {
  const { tensor, offset } = piece;
  // 8-bit elements need not be decoded for it: all lie between the least and the greatest.
  if (tensor.encoding.dtype === 'uint8' && decode(tensor.encoding, Uint8Array.of(0, 255)).every(Number.isFinite))
    return;
  const { values } = piece;
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += 0 * values[i];
  if (zero === 0) return;
  const place = values.findIndex((value) => !Number.isFinite(value));
  throw new WeightsError('a tensor holds a value that is not a finite number', {
    file: tensor.file,
    tensor: tensor.name,
    expected: 'finite numbers',
    found: `${values[place]} at element ${offset + place}`,
  });
}

export function sameShape(shape: readonly number[], tensor: TensorInfo): boolean {
  return shape.length === tensor.shape.length && shape.every((n, i) => n === tensor.shape[i]);
}

function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The file's own format where the kernels read it; the others are decoded, and rounded if that is asked for. */
function matrixStorage(tensor: TensorInfo | undefined, precision: Precision): MatrixStorage {
  // A missing tensor is reported with all others that are wrong.
  const encoding = tensor?.encoding;
  if (encoding?.dtype === 'uint8') return { dtype: 'uint8', scale: encoding.scale, min: encoding.min };
  return { dtype: encoding?.dtype === 'float16' || precision === 'f16-storage' ? 'float16' : 'float32' };
}

function elementsOfPiece(piece: WeightsPiece, { dtype }: MatrixStorage): StoredElements {
  // Values are decoded where they are asked for: not before that is known.
  if (dtype === 'float32') return piece.values;
  if (dtype === 'uint8') return piece.stored;
  const isStored = piece.tensor.encoding.dtype === 'float16';
  return isStored ? new Uint16Array(piece.stored.buffer) : roundedToFloat16(piece);
}

/** @throws WeightsError for a value beyond float16's range, as an infinity would take the place of it */
function roundedToFloat16({ tensor, offset, values }: WeightsPiece): Uint16Array<ArrayBuffer> {
  let greatest = 0;
  for (let i = 0; i < values.length; i++) greatest = Math.max(greatest, Math.abs(values[i]));
  if (greatest < FLOAT16_OVERFLOW) return toFloat16(values);
  const place = values.findIndex((value) => Math.abs(value) >= FLOAT16_OVERFLOW);
  throw new WeightsError("a tensor holds a value that float16 cannot hold; load the model with the precision 'f32'", {
    file: tensor.file,
    tensor: tensor.name,
    expected: 'numbers from -65504 to 65504',
    found: `${values[place]} at element ${offset + place}`,
  });
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

/** Batch normalisation in inference is a scale and a shift per channel, which the convolution before it can take over. */
class BatchNorm implements Record<BatchNormPart, Float32Array> {
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly #epsilon: number;

  constructor(channels: number, epsilon: number) {
    this.gamma = new Float32Array(channels);
    this.beta = new Float32Array(channels);
    this.mean = new Float32Array(channels);
    this.variance = new Float32Array(channels);
    this.#epsilon = epsilon;
  }

  /** γ (w·x + b - μ) / √(σ² + ε) + β = (s w)·x + s (b - μ) + β with s = γ / √(σ² + ε). */
  fold(weights: Float32Array, bias: Float32Array, indices: (channel: number) => Iterable<number>): void {
    for (let o = 0; o < bias.length; o++) {
      const scale = this.gamma[o] / Math.sqrt(this.variance[o] + this.#epsilon);
      for (const i of indices(o)) weights[i] *= scale;
      bias[o] = scale * (bias[o] - this.mean[o]) + this.beta[o];
    }
  }
}

function* channelIndices(shape: Conv2dShape, outChannel: number): Generator<number> {
  for (let i = 0; i < shape.inChannels; i++) {
    for (let t = 0; t < shape.kernel ** 2; t++) yield packedIndex(shape, outChannel, i, t);
  }
}

function known<T>(value: T | undefined, node: string): T {
  if (value === undefined) throw new Error(`no weights are loaded for ${node}`);
  return value;
}

function formKey(node: string, form: WeightsForm): string {
  return `${node} ${form}`;
}
