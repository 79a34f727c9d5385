/** A plan's steps as dispatches: forward to the logits, backward to the target, for the rows of one batch. */
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import type { Direction } from '../ops/common.ts';
import type { PackedWeights } from '../ops/conv2d.ts';
import {
  type Conv2dScratch,
  type Conv2dVariant,
  conv2dScratch,
  convertsWeights,
  convertWeights,
  runConv2d,
  runConv2dGradInput,
  weightsForm,
} from '../ops/conv2d.variants.ts';
import { dense, denseGradInput } from '../ops/dense.ts';
import { flatten, flattenGradInput } from '../ops/flatten.ts';
import { globalAveragePool, globalAveragePoolGradInput } from '../ops/global-average-pool.ts';
import { maxpool, maxpoolGradInput } from '../ops/maxpool.ts';
import { reluGradInput, reluMask } from '../ops/relu.ts';
import { copySample } from '../ops/sample-mean.ts';
import { type Conv2dNode, elementsOf, type Graph, type GraphNode } from './graph.ts';
import { tensorName } from './lifetimes.ts';
import type { Parameters } from './parameters.ts';
import type { Plan } from './plan.ts';
import { convShape, denseShape, flattenShape, mapsShape, poolShape } from './shapes.ts';
import { type Step, storedNode } from './steps.ts';

/** What the steps of a plan work on. */
export interface RunContext {
  readonly traits: KernelTraits;
  readonly graph: Graph;
  readonly parameters: Parameters;
  readonly plan: Plan;
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

/** Those of all classes, where the way back takes them together. */
export function classGradientsSlice(context: RunContext, node: string): BufferSlice {
  return tensorSlice(context, tensorName.classGradients(node));
}

/** A node's output from its input; with `pool`, the output of the max-pooling behind it. */
export function forwardStep(
  context: RunContext,
  { node, pool, variant = 'direct', makesWeights = false }: Extract<Step, { kind: 'forward' }>,
  rows: number,
): Dispatch[] {
  const { traits, graph, parameters } = context;
  const x = activationSlice(context, node.inputs[0]);
  const y = activationSlice(context, (pool ?? node).name);
  switch (node.op) {
    case 'conv2d': {
      const relu = node.activation === 'relu';
      const after = pool
        ? { pool: true, codes: plannedSlice(context, tensorName.codes(pool.name)) }
        : { mask: plannedSlice(context, tensorName.mask(node.name)) };
      const { weights, make } = convWeights(context, node, 'forward', variant, makesWeights);
      const scratch = convScratch(context, node, 'forward', variant);
      const layer = { x, y, relu, weights, bias: parameters.bias(node.name), scratch, ...after };
      return [...make, ...runConv2d(variant, traits, convShape(graph, node), rows, layer)];
    }
    case 'maxpool':
      return [
        maxpool(poolShape(graph, node), rows, { x, y, codes: plannedSlice(context, tensorName.codes(node.name)) }),
      ];
    case 'flatten':
      return [flatten(flattenShape(graph, node), rows, { x, y })];
    case 'global-average-pool':
      return [globalAveragePool(mapsShape(graph, node.inputs[0]), rows, { x, y })];
    case 'dense': {
      const relu = node.activation === 'relu';
      const scratch = tensorSlice(context, tensorName.scratch(node.name, 'forward'));
      const shape = denseShape(graph, node, parameters.convention);
      return dense(traits, shape, rows, { x, y, relu, scratch, ...parameters.dense(node.name) });
    }
    default:
      throw new Error(`${node.op} has no forward step`);
  }
}

/** The mask that the gradient of a node's ReLU will need, where its own step does not write it. */
export function maskStep(context: RunContext, node: GraphNode, rows: number): Dispatch {
  const x = activationSlice(context, node.name);
  const mask = tensorSlice(context, tensorName.mask(node.name));
  return reluMask(mapsShape(context.graph, node.name), rows, { x, mask });
}

/** The gradient with respect to a node's output, brought to the front of its ReLU, in place. */
export function reluGradientStep(
  context: RunContext,
  { node, relu }: Extract<Step, { kind: 'relu-gradient' }>,
  rows: number,
): Dispatch {
  const mask = relu.gate && tensorSlice(context, tensorName.mask(node.name));
  const grad = gradientSlice(context, node.name);
  return reluGradInput(mapsShape(context.graph, node.name), rows, { mask, grad, positive: relu.positive });
}

/**
 * The gradient with respect to a node's input from that with respect to its output, brought to the front of the input's
 * ReLU where the step says so.
 */
export function gradientStep(context: RunContext, step: Extract<Step, { kind: 'gradient' }>, rows: number): Dispatch[] {
  const { node, variant = 'direct', makesWeights = false, classes = 1, relu } = step;
  const { traits, graph, parameters } = context;
  const [gradY, gradX] = [node.name, node.inputs[0]].map((name) =>
    step.classes ? classGradientsSlice(context, name) : gradientSlice(context, name),
  );
  const input = graph.node(node.inputs[0]);
  const { gate, positive = false } = relu ?? {};
  switch (node.op) {
    case 'conv2d': {
      const { weights, make } = convWeights(context, node, 'grad-input', variant, makesWeights);
      const layer = {
        x: gradY,
        y: gradX,
        weights,
        scratch: convScratch(context, node, 'grad-input', variant),
        gate: gate === 'mask' ? tensorSlice(context, tensorName.mask(input.name)) : undefined,
        relu: positive,
      };
      return [...make, ...runConv2dGradInput(variant, traits, convShape(graph, node), rows, layer)];
    }
    case 'maxpool': {
      const codes = tensorSlice(context, tensorName.codes(node.name));
      const buffers = { gradY, codes, gradX };
      return [maxpoolGradInput(poolShape(graph, node), rows, { ...buffers, rectified: gate === 'codes', positive })];
    }
    case 'flatten':
      return [flattenGradInput(flattenShape(graph, node), rows, { gradY, gradX })];
    case 'global-average-pool':
      return [globalAveragePoolGradInput(mapsShape(graph, input.name), rows, { gradY, gradX })];
    case 'dense':
      return denseGradInput(traits, denseShape(graph, node, parameters.convention), classes * rows, {
        gradY,
        gradX,
        gates: rows,
        scratch: tensorSlice(context, tensorName.scratch(node.name, 'grad-input')),
        matrix: parameters.dense(node.name).matrix,
        gate: gate === 'activation' ? activationSlice(context, input.name) : undefined,
        positive,
      });
    default:
      throw new Error(`${node.op} has no gradient step`);
  }
}

/** The gradient of class number `of` with respect to a node's output, out of those of all classes. */
export function classStep(
  context: RunContext,
  { node }: Extract<Step, { kind: 'class' }>,
  rows: number,
  of: number,
): Dispatch {
  const x = classGradientsSlice(context, node.name);
  return copySample(rows * elementsOf(context.graph.shape(node.name)), of, {
    x,
    total: gradientSlice(context, node.name),
  });
}

/** The buffer of a tensor that not every plan has. */
function plannedSlice(context: RunContext, name: string): BufferSlice | undefined {
  return context.plan.tensors.has(name) ? tensorSlice(context, name) : undefined;
}

/** A convolution's weights as its kernel takes them, and what makes them, where they are not held. */
function convWeights(
  context: RunContext,
  node: Conv2dNode,
  direction: Direction,
  variant: Conv2dVariant,
  isMade: boolean,
): { weights: PackedWeights; make: Dispatch[] } {
  const { graph, parameters } = context;
  const form = weightsForm(variant, direction);
  if (!isMade || !convertsWeights(form)) return { weights: parameters.weights(node.name, form), make: [] };
  const { weights } = parameters.conv(node.name);
  const { dtype, greatest } = weights;
  const converted = { ...tensorSlice(context, tensorName.weights(node.name, direction)), dtype, greatest };
  return { weights: converted, make: [convertWeights(form, convShape(graph, node), { weights, converted })] };
}

/** Scratch of a convolution's kernel, with the size that the plan gives it: shared buffers may be larger. */
function convScratch(context: RunContext, node: Conv2dNode, direction: Direction, variant: Conv2dVariant) {
  const parts = conv2dScratch(variant, context.traits, convShape(context.graph, node), direction);
  const scratch: Conv2dScratch<BufferSlice & { readonly size: number }> = {};
  for (const part of Object.keys(parts) as (keyof typeof parts)[]) {
    const name = tensorName.scratch(node.name, direction, part);
    const { words, rows } = context.plan.tensors.get(name)!;
    scratch[part] = { ...tensorSlice(context, name), size: 4 * words * rows };
  }
  return scratch;
}
