/** A network's weights on the GPU, and the forms of them that kernels take. */
import { checkedPrecision } from '../checked-precision.ts';
import { untilAborted } from '../errors.ts';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { onDemand } from '../on-demand.ts';
import { type PackedWeights, weightsDtype } from '../ops/conv2d.ts';
import { convertWeights, formBytes, type WeightsForm } from '../ops/conv2d.variants.ts';
import type { Precision } from '../precision.ts';
import { inWords } from '../weights/fault.ts';
import type { LoadProgress, WeightsFile } from '../weights/source.ts';
import { type BatchNormClass, type ConvParameters, convSinks } from './conv-weights.ts';
import { type DenseParameters, denseSinks } from './dense-weights.ts';
import type { Conv2dNode, Convention, Graph } from './graph.ts';
import { checkTensors, detectConvention, type LayerLoad, type TensorSink } from './layer-tensors.ts';
import { convShape } from './shapes.ts';
import { checkFinite } from './tensor-values.ts';

/** Weights of a convolution of the graph, in the form that a kernel takes. */
export interface NeededWeights {
  readonly node: Conv2dNode;
  readonly form: WeightsForm;
}

export interface LoadOptions {
  /**
   * How the weights are held on the GPU, and what convolutions are computed in. 'f32' keeps every value of the file as it is.
   * 'f16-storage' rounds convolutions and fully connected matrices to float16, which takes 528 MiB for VGG-16 down to 264;
   * matrices of 8 bits are smaller as they are, and stay. 'f16' does so, too, and convolutions with 3 × 3 kernels multiply in
   * float16: for a Gpu that was requested with this precision, where the adapter has shader-f16. All else is computed in
   * float32. Default 'f32'.
   */
  precision?: Precision;
  /** Called as bytes come in. */
  onProgress?: (progress: LoadProgress) => void;
  /** Stops the load with an AbortError. */
  signal?: AbortSignal;
}

/** Bytes handed to the queue before the loader waits for the GPU to take them: bounds what the driver holds twice. */
const UPLOAD_WINDOW_BYTES = 64 * 2 ** 20;

export class Parameters {
  readonly convention: Convention;
  readonly precision: Precision;
  readonly gpu: Gpu;
  readonly #graph: Graph;
  readonly #convs = new Map<string, ConvParameters>();
  /** Other forms of weights, by formKey. */
  readonly #converted = new Map<string, PackedWeights>();
  readonly #denses = new Map<string, DenseParameters>();
  readonly #buffers: GPUBuffer[] = [];
  #preparing: Promise<unknown> = Promise.resolve();

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
    const precision = await checkedPrecision(options.precision, gpu.features, 'device');
    let parameters: Parameters | undefined;
    try {
      parameters = new Parameters(gpu, graph, detectConvention(graph, file), precision);
      await parameters.#fill(file, options);
      return parameters;
    } catch (error) {
      parameters?.dispose();
      throw await inWords(error);
    }
  }

  conv(node: string): ConvParameters {
    return known(this.#convs.get(node), node);
  }

  dense(node: string): DenseParameters {
    return known(this.#denses.get(node), node);
  }

  /** A convolution's weights in a form that prepare() has made. */
  weights(node: string, form: WeightsForm): PackedWeights {
    return form === 'packed' ? this.conv(node).weights : known(this.#converted.get(formKey(node, form)), node);
  }

  bias(node: string): BufferSlice {
    return this.conv(node).bias;
  }

  /** Makes these forms of convolutions' weights, where they are not made yet. */
  prepare(needed: readonly NeededWeights[], signal: AbortSignal | undefined): Promise<void> {
    // One after the other, so that explanations at once make nothing twice and use nothing that is not there yet.
    const before = this.#preparing;
    const turn = untilAborted(before, signal).then(() => this.#convert(needed, signal));
    this.#preparing = Promise.allSettled([before, turn]);
    return turn;
  }

  async #convert(needed: readonly NeededWeights[], signal: AbortSignal | undefined): Promise<void> {
    const made = new Map<string, PackedWeights>();
    const missing = (key: string) => !this.#converted.has(key) && !made.has(key);
    try {
      const dispatches = await this.gpu.guard(async () =>
        needed.flatMap(({ node, form }) => {
          if (form === 'packed' || !missing(formKey(node.name, form))) return [];
          const shape = convShape(this.#graph, node);
          const { weights } = this.conv(node.name);
          const dtype = weightsDtype(this.precision);
          const buffer = this.#create(`${node.name} weights, ${form}`, formBytes(form, shape, dtype));
          const converted = { ...buffer, dtype, greatest: weights.greatest };
          made.set(formKey(node.name, form), converted);
          return [convertWeights(form, shape, { weights, converted })];
        }),
      );
      if (dispatches.length > 0) await this.gpu.run(dispatches, { signal });
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

  #create(label: string, bytes: number): BufferSlice {
    const buffer = this.gpu.createBuffer(label, bytes);
    this.#buffers.push(buffer);
    return { buffer };
  }

  async #fill(file: WeightsFile, { onProgress, signal }: LoadOptions): Promise<void> {
    const hasNorms = this.#graph.nodes.some((node) => node.op === 'conv2d' && node.batchNorm);
    const norms = hasNorms
      ? await onDemand('what folds batch normalisation', () => import('./batch-norm.ts'), signal)
      : undefined;
    const sinks = await this.gpu.guard(async () => this.#sinks(file, norms?.BatchNorm));
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
  #sinks(file: WeightsFile, BatchNorm: BatchNormClass | undefined): Map<string, TensorSink> {
    const { gpu, convention, precision } = this;
    const create = (label: string, bytes: number) => this.#create(label, bytes);
    const load: LayerLoad = { gpu, graph: this.#graph, convention, precision, file, create };
    const all = new Map<string, TensorSink>();
    const add = (sinks: ReadonlyMap<string, TensorSink>) => {
      for (const [tensor, sink] of sinks) all.set(tensor, sink);
    };
    for (const node of this.#graph.nodes) {
      if (node.op === 'conv2d') {
        const { held, sinks } = convSinks(load, node, BatchNorm);
        this.#convs.set(node.name, held);
        add(sinks);
      }
      if (node.op === 'dense') {
        const { held, sinks } = denseSinks(load, node);
        this.#denses.set(node.name, held);
        add(sinks);
      }
    }
    return all;
  }
}

function known<T>(value: T | undefined, node: string): T {
  if (value === undefined) throw new Error(`no weights are loaded for ${node}`);
  return value;
}

function formKey(node: string, form: WeightsForm): string {
  return `${node} ${form}`;
}
