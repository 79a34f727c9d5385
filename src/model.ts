/** A network with its weights on a GPU. */
import { RecentMaps } from './cam/kept-maps.ts';
import { DisposedError, OptionError } from './errors.ts';
import type { Gpu } from './gpu/gpu.ts';
import { type FeatureShape, Graph, type GraphNode, type NetworkTable } from './network/graph.ts';
import {
  findModel,
  type KnownModel,
  type ModelName,
  type ModelVariant,
  modelTable,
  publishedSource,
} from './network/models.ts';
import { checkPrecision, type LoadOptions, Parameters, type Precision } from './network/parameters.ts';
import { randomWeights } from './network/random.ts';
import type { ChannelScaling } from './ops/preprocess.ts';
import { checkOptionNames, type OptionNames } from './option-names.ts';
import { type OpenWeightsOptions, openWeights, type WeightsFile, type WeightsLocation } from './weights/source.ts';

/** Seeded random weights: they make maps of the right shape that mean nothing. */
export interface RandomWeights {
  /** 0 … 2^32 - 1. */
  readonly random: number;
}

export interface LoadModelOptions
  extends LoadOptions,
    ModelVariant,
    Pick<OpenWeightsOptions, 'store' | 'cache' | 'checksum'> {
  /**
   * A URL, File objects, an opened weights file, or random weights; with Node's loadModel also a path or a folder. Default:
   * the model's own source.
   */
  weights?: WeightsLocation | WeightsFile | RandomWeights;
  /** Class names in index order. Default: those of the built-in model, none for the others. */
  labels?: readonly string[];
}

const LOAD_OPTIONS: OptionNames<LoadModelOptions> = {
  weights: true,
  labels: true,
  width: true,
  classes: true,
  inputSize: true,
  store: true,
  cache: true,
  checksum: true,
  precision: true,
  signal: true,
  onProgress: true,
};

/** Which weights a model has, and how it holds them. */
export interface WeightsRecord {
  readonly origin: string;
  readonly format: string;
  readonly checksum: string | undefined;
  /** As loadModel was given it. */
  readonly precision: Precision;
}

export class Model {
  readonly gpu: Gpu;
  readonly name: string;
  readonly graph: Graph;
  readonly parameters: Parameters;
  readonly preprocessing: ChannelScaling;
  readonly labels: readonly string[] | undefined;
  readonly weights: WeightsRecord;
  /** What the last explanations left on the GPU. */
  readonly recentMaps = new RecentMaps();
  readonly #width: number | undefined;
  #isDisposed = false;

  constructor(
    gpu: Gpu,
    table: NetworkTable,
    graph: Graph,
    parameters: Parameters,
    file: WeightsFile,
    labels: readonly string[] | undefined,
  ) {
    this.gpu = gpu;
    this.name = table.name;
    this.graph = graph;
    this.parameters = parameters;
    this.preprocessing = table.preprocessing[parameters.convention];
    this.labels = labels;
    this.#width = table.width;
    this.weights = {
      origin: file.origin,
      format: file.format,
      checksum: file.checksum(),
      precision: parameters.precision,
    };
  }

  /** [channels, height, width] of the network's input. */
  get inputShape(): FeatureShape {
    return this.graph.input.shape;
  }

  get classCount(): number {
    return this.graph.shape(this.graph.logits.name)[0];
  }

  /** The sizes that loadModel was given, or the published network's. */
  get variant(): ModelVariant {
    return { width: this.#width, classes: this.classCount, inputSize: this.inputShape[1] };
  }

  /** Layers that can be explained, in forward order. */
  get layerNames(): string[] {
    return this.graph.layers.map(({ name }) => name);
  }

  /**
   * A layer's own name and the shape of its feature maps [maps, height, width], by name or alias.
   *
   * @param name default: the last convolution
   * @throws OptionError listing the layers.
   */
  resolveLayer(name?: string): { name: string; shape: FeatureShape; node: GraphNode } {
    const node = this.graph.layer(name);
    return { name: node.name, shape: this.graph.shape(node.name), node };
  }

  /** Frees the weights; work that still runs on them ends with a DisposedError. */
  dispose(): void {
    this.recentMaps.releaseAll();
    this.parameters.dispose();
    this.#isDisposed = true;
  }

  /** @throws DisposedError */
  throwIfDisposed(cause?: unknown): void {
    if (!this.#isDisposed) return;
    throw new DisposedError(`the model ${this.name} was disposed: its weights are gone. Load it again.`, { cause });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Loads a known model's weights to the GPU, piece by piece.
 *
 * @throws WeightsError for a file that is broken or another network's, LimitError when the GPU cannot hold it, OptionError
 * for an unknown name, AbortError.
 */
export async function loadModel(gpu: Gpu, name: ModelName, options: LoadModelOptions = {}): Promise<Model> {
  const known = findModel(name);
  checkOptionNames('loadModel()', options, LOAD_OPTIONS);
  checkPrecision(options.precision);
  const table = modelTable(known, options);
  const graph = new Graph(table);
  const classes = graph.shape(graph.logits.name)[0];
  // The classes of random weights are nothing that has a name.
  const isRandom = typeof options.weights === 'object' && 'random' in options.weights;
  const labels = options.labels ?? (classes === known.classes && !isRandom ? known.labels : undefined);
  if (labels && labels.length !== classes) {
    throw new OptionError('labels', `${labels.length} labels`, `one label for each of the ${classes} classes`);
  }
  const file = await openFile(graph, known, options);
  try {
    const parameters = await Parameters.load(gpu, graph, file, options);
    return new Model(gpu, table, graph, parameters, file, labels);
  } finally {
    await file.close();
  }
}

function openFile(
  graph: Graph,
  known: KnownModel,
  { weights, store, cache, checksum, signal }: LoadModelOptions,
): Promise<WeightsFile> | WeightsFile {
  if (weights === undefined) {
    const source = publishedSource(known);
    return openWeights(source.url, { store, cache, checksum: checksum ?? source.checksum, signal });
  }
  if (typeof weights === 'object' && 'random' in weights) return randomWeights(graph, weights.random);
  if (typeof weights === 'object' && 'tensors' in weights) return weights;
  return openWeights(weights, { store, cache, checksum, signal });
}
