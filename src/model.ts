/** A network with its weights on a GPU. */
import { RecentMaps } from './cam/kept-maps.ts';
import { checkedPrecision } from './checked-precision.ts';
import { DisposedError, OptionError, WeightsError } from './errors.ts';
import type { Gpu } from './gpu/gpu.ts';
import { METHOD_ROWS, METHODS, type MethodName, needsPooledLayer } from './methods.ts';
import { type FeatureShape, Graph, type GraphNode, type NetworkTable } from './network/graph.ts';
import {
  findModel,
  type KnownModel,
  type ModelName,
  type ModelVariant,
  modelTable,
  publishedSource,
} from './network/models.ts';
import { type LoadOptions, Parameters } from './network/parameters.ts';
import { preloadKernels } from './network/preload.ts';
import { onDemand } from './on-demand.ts';
import type { ChannelScaling } from './ops/preprocess.ts';
import { checkOptionNames, type OptionNames } from './option-names.ts';
import type { Precision } from './precision.ts';
import { type OpenWeightsOptions, openWeights, type WeightsFile, type WeightsLocation } from './weights/source.ts';

/** In place of a model's name: the one that its weights are of. */
export const AUTO_MODEL = 'auto';

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
   * A URL, File objects, an opened weights file, or random weights; with Node's loadModel also a path or a folder. Sizes
   * and labels that an index of `gradcam convert` tells of need not be given. Default: the model's own source.
   */
  weights?: WeightsLocation | WeightsFile | RandomWeights;
  /** Class names in index order. Default: those that came with the weights or the built-in model, none for the others. */
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
  /** URL or path of the file. */
  readonly origin: string;
  /** Of the file. */
  readonly format: string;
  /** 'sha256-<hex>' of the weights as they were read. */
  readonly checksum: string | undefined;
  /** As loadModel was given it. */
  readonly precision: Precision;
}

/** A layer of a model whose feature maps can be explained. */
export interface ModelLayer {
  /** Its own name. */
  readonly name: string;
  /** [maps, height, width] */
  readonly shape: FeatureShape;
  /** @internal */
  readonly node: GraphNode;
}

/** A network with its weights on a GPU, made by loadModel(). */
export class Model {
  /** Where the weights are. */
  readonly gpu: Gpu;
  /** As loadModel was given it. */
  readonly name: string;
  /** @internal */
  readonly graph: Graph;
  /** @internal */
  readonly parameters: Parameters;
  /** What becomes of the pixels in front of the network. */
  readonly preprocessing: ChannelScaling;
  /** Names of the classes in index order, if they are known. */
  readonly labels: readonly string[] | undefined;
  /** Which weights they are. */
  readonly weights: WeightsRecord;
  /**
   * What the last explanations left on the GPU.
   *
   * @internal
   */
  readonly recentMaps = new RecentMaps();
  readonly #width: number | undefined;
  #isDisposed = false;

  /** @internal */
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

  /** How many classes there are. */
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
   * The layer that CAM can explain: its maps' means, and nothing else of the picture, make the logits in one fully connected
   * layer. Undefined for networks without a global average pooling there.
   */
  get pooledLayer(): string | undefined {
    return this.graph.pooledLayer?.name;
  }

  /** Methods that can explain this network: all but CAM where there is no pooledLayer. */
  get methods(): MethodName[] {
    return METHODS.filter((name) => this.pooledLayer !== undefined || !needsPooledLayer(METHOD_ROWS[name]));
  }

  /**
   * A layer's own name and the shape of its feature maps [maps, height, width], by name or alias.
   *
   * @param name default: the last convolution
   * @throws OptionError listing the layers.
   */
  resolveLayer(name?: string): ModelLayer {
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

  /** As dispose(), at the end of a `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Loads a known model's weights to the GPU, piece by piece.
 *
 * @param name 'auto': the network that `weights` are of, as an index of `gradcam convert` says, or told by the tensors
 * @throws WeightsError for a file that is broken or another network's, LimitError when the GPU cannot hold it, OptionError
 * for an unknown name, AbortError.
 */
export async function loadModel(
  gpu: Gpu,
  name: ModelName | typeof AUTO_MODEL,
  options: LoadModelOptions = {},
): Promise<Model> {
  const asked = name === AUTO_MODEL ? undefined : findModel(name);
  checkOptionNames('loadModel()', options, LOAD_OPTIONS);
  const { precision, signal } = options;
  await checkedPrecision(precision, gpu.features, 'device', signal);
  if (asked) modelTable(asked, options); // its sizes are checked before anything is opened
  const file = await openFile(asked, options);
  try {
    const { known, variant } = await networkOf(file, asked, options, signal);
    const table = modelTable(known, variant);
    const graph = new Graph(table);
    const labels = labelsOf(graph, known, file, options);
    preloadKernels(gpu, graph);
    const parameters = await Parameters.load(gpu, graph, file, options);
    return new Model(gpu, table, graph, parameters, file, labels);
  } finally {
    await file.close();
  }
}

async function openFile(
  known: KnownModel | undefined,
  { weights, store, cache, checksum, signal, ...variant }: LoadModelOptions,
): Promise<WeightsFile> {
  if (known === undefined && (weights === undefined || isRandom(weights))) {
    throw new OptionError(
      'weights',
      weights,
      `a location of weights; it tells which network '${AUTO_MODEL}' stands for`,
    );
  }
  if (weights === undefined) {
    const source = publishedSource(known!);
    return openWeights(source.url, { store, cache, checksum: checksum ?? source.checksum, signal });
  }
  if (isRandom(weights)) {
    const { randomWeights } = await onDemand('what draws random weights', () => import('./network/random.ts'), signal);
    return randomWeights(new Graph(modelTable(known!, variant)), weights.random);
  }
  if (typeof weights === 'object' && 'tensors' in weights) return weights;
  return openWeights(weights, { store, cache, checksum, signal });
}

function isRandom(weights: LoadModelOptions['weights']): weights is RandomWeights {
  return typeof weights === 'object' && 'random' in weights;
}

/**
 * The network that was asked for, in the sizes that the file tells of where the call does not.
 *
 * @param asked undefined: the one that the file is of
 * @throws WeightsError if the file is of another, or of none that the library knows
 */
export async function networkOf(
  file: WeightsFile,
  asked: KnownModel | undefined,
  { width, classes, inputSize }: ModelVariant,
  signal?: AbortSignal,
): Promise<{ known: KnownModel; variant: ModelVariant }> {
  if (asked && file.model && file.model.name !== asked.name) {
    throw new WeightsError('these are weights of another network', {
      file: file.origin,
      expected: asked.name,
      found: file.model.name,
    });
  }
  const { known, variant } = asked && !file.model ? { known: asked, variant: {} } : await recognised(file, signal);
  return {
    known,
    variant: {
      width: width ?? variant.width,
      classes: classes ?? variant.classes,
      inputSize: inputSize ?? variant.inputSize,
    },
  };
}

async function recognised(file: WeightsFile, signal: AbortSignal | undefined) {
  const { modelOfFile } = await onDemand('what recognises networks', () => import('./network/recognise.ts'), signal);
  return modelOfFile(file);
}

function labelsOf(
  graph: Graph,
  known: KnownModel,
  file: WeightsFile,
  { labels: given, weights }: LoadModelOptions,
): readonly string[] | undefined {
  const [classes] = graph.shape(graph.logits.name);
  // The classes of random weights are nothing that has a name.
  const ownLabels = classes === known.classes && !isRandom(weights) ? known.labels : undefined;
  const labels = given ?? file.model?.labels ?? ownLabels;
  if (labels && labels.length !== classes) {
    throw new OptionError('labels', `${labels.length} labels`, `one label for each of the ${classes} classes`);
  }
  return labels;
}
