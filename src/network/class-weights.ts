/** What a class's logit weights its inputs with: a row or a column of the last fully connected layer's matrix. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { Workspace } from '../gpu/workspace.ts';
import { denseGradInput, denseScratch } from '../ops/dense.ts';
import { oneHot } from '../ops/one-hot.ts';
import type { Convention, DenseNode, Graph } from './graph.ts';
import type { RunContext } from './run.ts';
import { denseShape } from './shapes.ts';

export interface ClassWeightsScratch {
  /** [classes]: 1 at the class, -1 at the contrast, 0 elsewhere. */
  readonly choice: BufferSlice;
  readonly products: BufferSlice;
}

export function classWeightsScratch(graph: Graph, convention: Convention, workspace: Workspace): ClassWeightsScratch {
  const node = lastDense(graph);
  const shape = denseShape(graph, node, convention);
  return {
    choice: workspace.floats('choice of a class', node.units),
    products: workspace.floats('products with the choice of a class', denseScratch(shape, 'grad-input')),
  };
}

/**
 * weights[k] = w_k^c, c the class that `index` (one u32) names; with `contrast`, a class, less its own. The matrix times a
 * one-hot vector adds zeros to one weight, which changes no bit of it, and reads every format and slicing that matrices are
 * held in.
 */
export function classWeights(
  { traits, graph, parameters }: RunContext,
  { choice, products }: ClassWeightsScratch,
  { index, weights, contrast }: { index: BufferSlice; weights: BufferSlice; contrast?: number },
): Dispatch[] {
  const node = lastDense(graph);
  return [
    oneHot(node.units, 1, { index, y: choice, contrast }),
    ...denseGradInput(traits, denseShape(graph, node, parameters.convention), 1, {
      gradY: choice,
      gradX: weights,
      scratch: products,
      matrix: parameters.dense(node.name).matrix,
    }),
  ];
}

function lastDense({ name, logits }: Graph): DenseNode {
  if (logits.op !== 'dense')
    throw new Error(`${name}: the logits come from ${logits.name}, which is not fully connected`);
  return logits;
}
