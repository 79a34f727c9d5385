/** Which known network a weights file is of: as it says itself, or by its tensors' names and shapes. */
import { OptionError, WeightsError } from '../errors.ts';
import type { DescribedModel, TensorInfo, WeightsFile } from '../weights/source.ts';
import { type Convention, Graph } from './graph.ts';
import { findConvention, kernelInFile, kernelShapes, sameShape, weightedLayers } from './layer-tensors.ts';
import { type KnownModel, MODELS, type ModelVariant, modelTable } from './models.ts';

/** A network that the library knows, found in a file. */
export interface RecognisedModel {
  /** The one of MODELS. */
  readonly known: KnownModel;
  /** Sizes in which the network differs from the published one; the others are absent. */
  readonly variant: ModelVariant;
  /** Whose layout of weights the file has. */
  readonly convention: Convention;
}

/**
 * The network that the file says it is of, or that its tensors fit.
 *
 * @throws WeightsError if the library knows no such network.
 */
export function modelOfFile(file: WeightsFile): Pick<RecognisedModel, 'known' | 'variant'> {
  const { model } = file;
  const found = model ? describedModel(model) : recogniseModel(file);
  if (found) return found;
  throw new WeightsError(
    'these are weights of no network that the library knows; name the one that is meant to be told what differs',
    {
      file: file.origin,
      expected: MODELS.map(({ name }) => name).join(', '),
      found: model ? model.name : `${file.tensors.size} tensors: ${[...file.tensors.keys()].slice(0, 4).join(', ')}, …`,
    },
  );
}

function describedModel({ name, width, classes, inputSize }: DescribedModel) {
  const known = MODELS.find((each) => each.name === name);
  return known && { known, variant: { width, classes, inputSize } };
}

/** The network that the tensors fit, all of them; undefined where there is none that the library knows. */
export function recogniseModel(file: WeightsFile): RecognisedModel | undefined {
  for (const known of MODELS) {
    const convention = findConvention(new Graph(known.table()), file);
    if (convention === undefined) continue;
    const variant = guessVariant(known, file, convention);
    const graph = variant && graphOf(known, variant);
    if (graph && fits(graph, file, convention)) return { known, variant, convention };
  }
  return undefined;
}

/** The sizes that the first and the last layers' shapes speak for. */
function guessVariant(known: KnownModel, file: WeightsFile, convention: Convention): ModelVariant | undefined {
  const table = known.table();
  const published = new Graph(table);
  const layers = weightedLayers(published);
  const [first, last] = [layers[0]!, layers.at(-1)!];
  const firstDense = layers.find((node) => node.op === 'dense');
  const tensors = [first, last].map((node) => kernelInFile(file, node, convention));
  if (tensors.includes(undefined)) return undefined;
  const [channels, classes] = tensors.map((tensor) => outputsOf(tensor!, convention)) as [number, number];
  const [publishedChannels] = published.shape(first.name);
  const publishedWidth = table.width ?? 1;
  const width = (publishedWidth * channels) / publishedChannels;
  const flattened = firstDense && published.node(firstDense.inputs[0]);
  let inputSize: number | undefined;
  const matrix = firstDense && kernelInFile(file, firstDense, convention);
  if (matrix && flattened?.op === 'flatten') {
    const [maps, height] = published.shape(flattened.inputs[0]);
    const cells = elementCount(matrix) / outputsOf(matrix, convention) / Math.round((maps * width) / publishedWidth);
    inputSize = (published.input.shape[1] / height) * Math.sqrt(cells);
  }
  return {
    width: width === publishedWidth ? undefined : width,
    classes: classes === known.classes ? undefined : classes,
    inputSize: inputSize === published.input.shape[1] ? undefined : inputSize,
  };
}

function graphOf(known: KnownModel, variant: ModelVariant): Graph | undefined {
  try {
    return new Graph(modelTable(known, variant));
  } catch (error) {
    if (error instanceof OptionError) return undefined; // sizes that no network has
    throw error;
  }
}

function fits(graph: Graph, file: WeightsFile, convention: Convention): boolean {
  const layers = weightedLayers(graph);
  const areThere = layers.every((node) => {
    const tensor = kernelInFile(file, node, convention);
    return tensor && kernelShapes(graph, node, convention).some((shape) => sameShape(shape, tensor));
  });
  // A deeper network, or one with batch normalisation, may hold all of these and more.
  const vectors = [...file.tensors.values()].filter(({ shape }) => shape.length === 1).length;
  const norms = layers.filter((node) => node.op === 'conv2d' && node.batchNorm).length;
  const matrices = file.tensors.size - vectors;
  return areThere && matrices === layers.length && (norms > 0 ? vectors >= 4 * norms : vectors === layers.length);
}

/** Output channels come last in Keras's tensors, first in torch's. */
function outputsOf({ shape }: TensorInfo, convention: Convention): number {
  return shape.at(convention === 'keras' ? -1 : 0)!;
}

function elementCount({ shape }: TensorInfo): number {
  return shape.reduce((product, n) => product * n, 1);
}
