/** A plan's steps as dispatches: forward to the logits, backward to the target, for the rows of one batch. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import { conv2d, conv2dGradInput } from '../ops/conv2d.ts';
import { dense, denseGradInput } from '../ops/dense.ts';
import { flatten, flattenGradInput } from '../ops/flatten.ts';
import { maxpool, maxpoolGradInput } from '../ops/maxpool.ts';
import { relu, reluGradInput } from '../ops/relu.ts';
import { elementsOf, type Graph, type GraphNode } from './graph.ts';
import type { Parameters } from './parameters.ts';
import { hasRelu, type Plan, storedNode, tensorName } from './plan.ts';
import { convShape, denseShape, flattenShape, poolShape } from './shapes.ts';

/** What the steps of a plan work on. */
export interface RunContext {
  readonly traits: KernelTraits;
  readonly graph: Graph;
  readonly parameters: Parameters;
  readonly plan: Plan;
  readonly target: string | undefined;
  /** The plan's buffers, in its order. */
  readonly buffers: readonly BufferSlice[];
}

/** The buffer that holds a planned tensor. */
export function tensorSlice({ plan, buffers }: RunContext, name: string): BufferSlice {
  const tensor = plan.tensors.get(name);
  if (!tensor) throw new Error(`the plan has no tensor '${name}'`);
  return buffers[tensor.buffer];
}

export function activationSlice(context: RunContext, node: string): BufferSlice {
  const stored = storedNode(context.graph, context.parameters.convention, node);
  return tensorSlice(context, tensorName.activation(stored));
}

export function gradientSlice(context: RunContext, node: string): BufferSlice {
  const stored = storedNode(context.graph, context.parameters.convention, node);
  return tensorSlice(context, tensorName.gradient(stored));
}

/** A node's output from its input. */
export function forwardStep(context: RunContext, node: GraphNode, rows: number): Dispatch[] {
  const { traits, graph, parameters, plan } = context;
  const x = activationSlice(context, node.inputs[0]);
  const y = activationSlice(context, node.name);
  switch (node.op) {
    case 'conv2d': {
      const relu = node.activation === 'relu';
      return [conv2d(traits, convShape(graph, node), rows, { x, y, relu, ...parameters.conv(node.name) })];
    }
    case 'maxpool': {
      const codes = plan.tensors.has(tensorName.codes(node.name))
        ? tensorSlice(context, tensorName.codes(node.name))
        : undefined;
      return [maxpool(poolShape(graph, node), rows, { x, y, codes })];
    }
    case 'flatten':
      return [flatten(flattenShape(graph, node), rows, { x, y })];
    case 'dense': {
      const relu = node.activation === 'relu';
      const scratch = scratchSlice(context, node, 'forward');
      const shape = denseShape(graph, node, parameters.convention);
      return dense(shape, rows, { x, y, relu, scratch, ...parameters.dense(node.name) });
    }
    default:
      throw new Error(`${node.op} has no forward step`);
  }
}

/** The mask that the gradient of a node's ReLU will need. */
export function maskStep(context: RunContext, node: GraphNode, rows: number): Dispatch {
  const x = activationSlice(context, node.name);
  const mask = tensorSlice(context, tensorName.mask(node.name));
  return relu(elementsOf(context.graph.shape(node.name)), rows, { x, mask });
}

/** The gradient with respect to a node's output, brought to the front of its ReLU, in place. */
export function reluGradientStep(context: RunContext, node: GraphNode, rows: number): Dispatch {
  const mask = tensorSlice(context, tensorName.mask(node.name));
  const grad = gradientSlice(context, node.name);
  return reluGradInput(elementsOf(context.graph.shape(node.name)), rows, { mask, grad });
}

/** The gradient with respect to a node's input from that with respect to its output. */
export function gradientStep(context: RunContext, node: GraphNode, rows: number): Dispatch[] {
  const { traits, graph, parameters, target } = context;
  const gradY = gradientSlice(context, node.name);
  const gradX = gradientSlice(context, node.inputs[0]);
  switch (node.op) {
    case 'conv2d':
      return [
        conv2dGradInput(traits, convShape(graph, node), rows, {
          gradY,
          gradX,
          weights: parameters.transposed(node.name),
        }),
      ];
    case 'maxpool': {
      const codes = tensorSlice(context, tensorName.codes(node.name));
      const input = graph.node(node.inputs[0]);
      // The target's gradient is wanted behind its ReLU, every other layer's in front.
      const rectified = input.name !== target && hasRelu(input);
      return [maxpoolGradInput(poolShape(graph, node), rows, { gradY, codes, gradX, rectified })];
    }
    case 'flatten':
      return [flattenGradInput(flattenShape(graph, node), rows, { gradY, gradX })];
    case 'dense': {
      const scratch = scratchSlice(context, node, 'grad-input');
      const shape = denseShape(graph, node, parameters.convention);
      return denseGradInput(shape, rows, { gradY, gradX, scratch, slices: parameters.dense(node.name).slices });
    }
    default:
      throw new Error(`${node.op} has no gradient step`);
  }
}

function scratchSlice(
  context: RunContext,
  node: GraphNode,
  direction: 'forward' | 'grad-input',
): BufferSlice | undefined {
  const name = tensorName.scratch(node.name, direction);
  return context.plan.tensors.has(name) ? tensorSlice(context, name) : undefined;
}
