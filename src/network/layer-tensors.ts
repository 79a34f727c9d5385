/** Which tensors of a weights file are those of a network's layers: their names and shapes in each convention. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Precision } from '../precision.ts';
import { Fault } from '../weights/fault.ts';
import type { TensorInfo, WeightsFile, WeightsPiece } from '../weights/source.ts';
import type { Conv2dNode, Convention, DenseNode, Graph } from './graph.ts';
import { convShape, denseShape } from './shapes.ts';

/** Where the pieces of one tensor go. */
export interface TensorSink {
  /** Shapes that the tensor may have. */
  readonly shapes: readonly (readonly number[])[];
  write(piece: WeightsPiece): void;
  /** When the whole file has been read. */
  finish?(): void;
}

/** What a layer is loaded with. */
export interface LayerLoad {
  readonly gpu: Gpu;
  readonly graph: Graph;
  readonly convention: Convention;
  readonly precision: Precision;
  readonly file: WeightsFile;
  /** A buffer that lives as long as the network's weights. */
  create(label: string, bytes: number): BufferSlice;
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

const SUFFIX: Record<Convention, Record<'kernel' | 'bias', readonly string[]>> = {
  keras: { kernel: ['/kernel', '.kernel'], bias: ['/bias', '.bias'] },
  torch: { kernel: ['.weight'], bias: ['.bias'] },
};

/** Keras's files use the nodes' own names, torch's the aliases. */
function namesOf({ name, aliases = [] }: Conv2dNode | DenseNode, convention: Convention): string[] {
  return convention === 'keras' ? [name, ...aliases] : [...aliases, name];
}

/** The tensor's name in the file; if it is not there, what it would be called, so that a message can name it. */
export function findTensor(file: WeightsFile, names: readonly string[], suffixes: readonly string[]): string {
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

export function tensorOf(
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

/** @throws Fault if the file's tensors are not the network's */
export function detectConvention(graph: Graph, file: WeightsFile): Convention {
  const convention = findConvention(graph, file);
  if (convention !== undefined) return convention;
  const [first] = weightedLayers(graph);
  const names = [`${first.name}/kernel`, ...(first.aliases ?? []).map((alias) => `${alias}.weight`)];
  throw new Fault('otherNetwork', file.origin, graph.name, first.name, names, [...file.tensors.keys()]);
}

/**
 * @param sinks of all tensors that the network takes, by name
 * @throws Fault for a tensor that is missing, has another shape, or is not the network's
 */
export function checkTensors(sinks: ReadonlyMap<string, TensorSink>, file: WeightsFile): void {
  for (const [name, { shapes }] of sinks) {
    const tensor = file.tensors.get(name);
    if (!tensor) throw new Fault('missing', { file: file.origin, tensor: name }, shapes, [...file.tensors.keys()]);
    if (!shapes.some((shape) => sameShape(shape, tensor))) {
      throw new Fault('otherShape', { file: tensor.file, tensor: name }, shapes, tensor.shape);
    }
  }
  for (const [name, tensor] of file.tensors) {
    if (!sinks.has(name)) {
      // Most likely the file of a deeper network: its other tensors would be silently misused.
      throw new Fault('foreign', { file: tensor.file, tensor: name }, tensor.shape, sinks.size);
    }
  }
}

export function sameShape(shape: readonly number[], tensor: TensorInfo): boolean {
  return shape.length === tensor.shape.length && shape.every((n, i) => n === tensor.shape[i]);
}
