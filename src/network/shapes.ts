/** From a node of a graph to the shape that its op's launcher takes. */
import { type Conv2dShape, packedLength } from '../ops/conv2d.ts';
import type { DenseShape } from '../ops/dense.ts';
import type { FlattenShape } from '../ops/flatten.ts';
import type { MaxpoolShape } from '../ops/maxpool.ts';
import { type Conv2dNode, type Convention, type DenseNode, elementsOf, type Graph, type GraphNode } from './graph.ts';

export function convShape(graph: Graph, node: Conv2dNode): Conv2dShape {
  const [inChannels, height, width] = graph.shape(node.inputs[0]);
  const { outChannels, kernel, stride, padding } = node;
  return { inChannels, outChannels, height, width, kernel, stride, padding };
}

export function poolShape(graph: Graph, node: GraphNode & { op: 'maxpool' }): MaxpoolShape {
  const [channels, height, width] = graph.shape(node.inputs[0]);
  return { channels, height, width, kernel: node.kernel, stride: node.stride };
}

export function flattenShape(graph: Graph, node: GraphNode): FlattenShape {
  return mapsShape(graph, node.inputs[0]);
}

/** A node's output. */
export function mapsShape(graph: Graph, name: string): { channels: number; height: number; width: number } {
  const [channels, height, width] = graph.shape(name);
  return { channels, height, width };
}

/** Keras stores [inputs][outputs], torch [outputs][inputs]. */
export function denseShape(graph: Graph, node: DenseNode, convention: Convention): DenseShape {
  const inputs = elementsOf(graph.shape(node.inputs[0]));
  return { inputs, outputs: node.units, rows: convention === 'keras' ? 'inputs' : 'outputs' };
}

/** Elements of all kernels and matrices: what precision 'f16-storage' halves. */
export function halvedElements(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => {
    if (node.op === 'dense') return sum + elementsOf(graph.shape(node.inputs[0])) * node.units;
    return node.op === 'conv2d' ? sum + packedLength(convShape(graph, node)) : sum;
  }, 0);
}
