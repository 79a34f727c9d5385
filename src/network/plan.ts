/**
 * What one explanation needs on the GPU, worked out from shapes and limits alone: how the samples are split into batches,
 * which tensors exist from which step to which, and which of them share a buffer.
 */
import { LimitError, OptionError } from '../errors.ts';
import { finishesOutputs } from '../ops/conv2d.ts';
import { denseScratch } from '../ops/dense.ts';
import { maxpoolCodeWords } from '../ops/maxpool.ts';
import { reluMaskWords } from '../ops/relu.ts';
import { type Convention, elementsOf, type Graph, type GraphNode, type MaxpoolNode } from './graph.ts';
import { convShape, denseShape, mapsShape, poolShape } from './shapes.ts';

/** The limits that matter here. */
export interface PlanLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

export interface PlanRequest {
  readonly graph: Graph;
  readonly convention: Convention;
  /** Node whose feature maps are explained; without one, the plan ends at the logits. */
  readonly target: string | undefined;
  /** n; 0 explains the clean picture's own gradient. */
  readonly samples: number;
  /** Classes that are explained, each with a way back of its own. Default 1. */
  readonly classes?: number;
  /** Upper bound on the rows of a batch. */
  readonly batch?: number;
  readonly limits: PlanLimits;
}

/**
 * Bytes of a batch's network buffers, all together, beyond which a batch is split: enough rows of VGG to fill a
 * large GPU, and no more memory than a phone's browser gives. A single sample may take more.
 */
export const WORKING_BYTES = 128 * 2 ** 20;

/** A batch: `noisy` samples beginning with number `firstSample`, then the clean picture if `clean` is 1. */
export interface Batch {
  readonly firstSample: number;
  readonly noisy: number;
  readonly clean: 0 | 1;
  /** Rows, from the first, whose gradient is wanted. */
  readonly gradients: number;
}

export interface TensorPlan {
  /** 4-byte words of one row. */
  readonly words: number;
  /** First and last step at which the tensor is needed. */
  readonly first: number;
  readonly last: number;
  /** Which of the plan's buffers holds it. */
  readonly buffer: number;
}

export type Step =
  | { readonly kind: 'input' }
  /** A node's output; with `pool`, that of the max-pooling behind it instead. */
  | { readonly kind: 'forward'; readonly node: GraphNode; readonly pool?: MaxpoolNode }
  | { readonly kind: 'mask' | 'capture'; readonly node: GraphNode }
  | { readonly kind: 'logits' | 'seed' | 'moments' }
  | { readonly kind: 'gradient' | 'relu-gradient'; readonly node: GraphNode };

export interface Plan {
  readonly batches: readonly Batch[];
  readonly rows: number;
  /** In order; those from 'seed' on are run for the gradient rows only, once for each class. */
  readonly steps: readonly Step[];
  /** By tensor name: tensorName.activation(node) and its sisters. */
  readonly tensors: ReadonlyMap<string, TensorPlan>;
  readonly bufferBytes: readonly number[];
}

export const tensorName = {
  activation: (node: string) => `activation of ${node}`,
  gradient: (node: string) => `gradient of ${node}`,
  mask: (node: string) => `mask of ${node}`,
  codes: (node: string) => `codes of ${node}`,
  scratch: (node: string, direction: 'forward' | 'grad-input') => `${direction} scratch of ${node}`,
} as const;

/**
 * @throws LimitError when a single sample does not fit; OptionError for a target without a path to the logits.
 */
export function planExplanation(request: PlanRequest): Plan {
  const { graph, limits, samples, batch } = request;
  const steps = listSteps(request);
  const tensors = findLifetimes(request, steps);

  const bindable = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  let maxRows = batch ?? Number.POSITIVE_INFINITY;
  for (const [name, { words }] of tensors) {
    const fits = Math.floor(bindable / (4 * words));
    if (fits < 1) {
      throw new LimitError(`${graph.name}: ${name} of one sample`, {
        limit: bindable < limits.maxStorageBufferBindingSize ? 'maxBufferSize' : 'maxStorageBufferBindingSize',
        needed: 4 * words,
        available: bindable,
      });
    }
    maxRows = Math.min(maxRows, fits);
  }
  const rowBytes = shareBuffers(tensors, 1).bufferBytes.reduce((sum, bytes) => sum + bytes, 0);
  maxRows = Math.min(maxRows, Math.max(1, Math.floor(WORKING_BYTES / rowBytes)));
  const batches = splitSamples(samples, maxRows);
  const rows = Math.max(...batches.map(({ noisy, clean }) => noisy + clean));
  return { batches, rows, steps, ...shareBuffers(tensors, rows) };
}

/**
 * Splits the n noisy samples and the clean picture into as few batches as `maxRows` allows, their sizes equal or one apart. The
 * clean picture closes the first batch, so that the class it chooses is known before the first backward pass.
 */
export function splitSamples(samples: number, maxRows: number): Batch[] {
  if (maxRows < 1) throw new OptionError('batch', maxRows, 'at least 1');
  const total = samples + 1;
  const parts = Math.ceil(total / maxRows);
  const batches: Batch[] = [];
  let firstSample = 0;
  for (let part = 0; part < parts; part++) {
    const rows = Math.floor(total / parts) + (part < total % parts ? 1 : 0);
    const clean = part === 0 ? 1 : 0;
    const noisy = rows - clean;
    batches.push({ firstSample, noisy, clean, gradients: samples === 0 ? 1 : noisy });
    firstSample += noisy;
  }
  return batches;
}

function nodesBehind(graph: Graph, target: string | undefined): GraphNode[] {
  return target === undefined ? [] : graph.after(target);
}

export function hasRelu(node: GraphNode): boolean {
  return (node.op === 'conv2d' || node.op === 'dense') && node.activation === 'relu';
}

/**
 * How the gradient with respect to a node's output is brought to the front of the node's ReLU:
 *   'codes' by the max-pooling that reads it, whose codes say where it was zero;
 *   'activation' by the fully connected layer that reads it, from the output itself;
 *   'mask' by a bit for each element.
 */
export function reluGate(graph: Graph, node: GraphNode): 'codes' | 'activation' | 'mask' | undefined {
  if (!hasRelu(node)) return undefined;
  const reader = graph.consumer(node.name);
  if (reader?.op === 'maxpool') return 'codes';
  return reader?.op === 'dense' ? 'activation' : 'mask';
}

/** Whether the gradient step of `reader` applies the mask of its input's ReLU by itself. */
export function appliesMask(graph: Graph, reader: GraphNode): boolean {
  return reader.op === 'conv2d' && finishesOutputs(convShape(graph, reader));
}

/** Whether the forward step of a node writes its ReLU's mask by itself. */
export function writesMask(graph: Graph, node: GraphNode): boolean {
  return node.op === 'conv2d' && finishesOutputs(convShape(graph, node));
}

/** The max-pooling that a convolution can do with its outputs, unless these are wanted themselves. */
function fusedPool(graph: Graph, node: GraphNode, target: string | undefined): MaxpoolNode | undefined {
  if (node.op !== 'conv2d' || node.name === target || !finishesOutputs(convShape(graph, node))) return undefined;
  const reader = graph.consumer(node.name);
  return reader?.op === 'maxpool' && reader.kernel === 2 && reader.stride === 2 ? reader : undefined;
}

/** A flatten in C, H, W order changes no byte. */
function isView(node: GraphNode, convention: Convention): boolean {
  return node.op === 'flatten' && convention === 'torch';
}

function listSteps({ graph, convention, target }: PlanRequest): Step[] {
  const behind = nodesBehind(graph, target);
  const steps: Step[] = [{ kind: 'input' }];
  const pooled = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (node.op === 'input' || node.op === 'softmax') continue;
    const pool = fusedPool(graph, node, target);
    if (pool) pooled.add(pool);
    if (!isView(node, convention) && !pooled.has(node)) steps.push({ kind: 'forward', node, ...(pool && { pool }) });
    if (behind.includes(node) && reluGate(graph, node) === 'mask' && !writesMask(graph, node)) {
      steps.push({ kind: 'mask', node });
    }
    if (node.name === target) steps.push({ kind: 'capture', node });
  }
  steps.push({ kind: 'logits' });
  if (target === undefined) return steps;
  steps.push({ kind: 'seed' });
  for (const node of behind.toReversed()) {
    if (!isView(node, convention)) steps.push({ kind: 'gradient', node });
    // The target's own gradient is wanted behind its ReLU, every other layer's in front.
    const input = graph.node(node.inputs[0]);
    if (input.name !== target && reluGate(graph, input) === 'mask' && !appliesMask(graph, node)) {
      steps.push({ kind: 'relu-gradient', node: input });
    }
  }
  steps.push({ kind: 'moments' });
  return steps;
}

/** Names that stand for the same bytes: those of a flatten in C, H, W order are its input's. */
export function storedNode(graph: Graph, convention: Convention, name: string): string {
  const node = graph.node(name);
  return isView(node, convention) ? storedNode(graph, convention, node.inputs[0]) : name;
}

type Lifetime = { words: number; first: number; last: number };

function findLifetimes(
  { graph, convention, target, classes = 1 }: PlanRequest,
  steps: readonly Step[],
): Map<string, Lifetime> {
  const tensors = new Map<string, Lifetime>();
  const use = (name: string, words: number, at: number) => {
    const known = tensors.get(name);
    if (known) known.last = at;
    else tensors.set(name, { words, first: at, last: at });
  };
  const stored = (name: string) => storedNode(graph, convention, name);
  const useActivation = (name: string, at: number) =>
    use(tensorName.activation(stored(name)), elementsOf(graph.shape(stored(name))), at);
  const useGradient = (name: string, at: number) =>
    use(tensorName.gradient(stored(name)), elementsOf(graph.shape(stored(name))), at);
  const useMask = (name: string, at: number) => use(tensorName.mask(name), reluMaskWords(mapsShape(graph, name)), at);
  const logits = graph.logits.name;
  const behind = nodesBehind(graph, target);

  steps.forEach((step, at) => {
    switch (step.kind) {
      case 'input':
        useActivation(graph.input.name, at);
        break;
      case 'forward': {
        const { node, pool = node.op === 'maxpool' ? node : undefined } = step;
        useActivation(node.inputs[0], at);
        useActivation((pool ?? node).name, at);
        if (pool && behind.includes(pool)) {
          use(tensorName.codes(pool.name), maxpoolCodeWords(poolShape(graph, pool)), at);
        }
        if (behind.includes(node) && reluGate(graph, node) === 'mask' && writesMask(graph, node))
          useMask(node.name, at);
        if (node.op === 'dense') {
          const words = denseScratch(denseShape(graph, node, convention), 'forward');
          use(tensorName.scratch(node.name, 'forward'), words, at);
        }
        break;
      }
      case 'mask':
        useActivation(step.node.name, at);
        useMask(step.node.name, at);
        break;
      case 'capture':
        useActivation(step.node.name, at);
        break;
      case 'logits':
        useActivation(logits, at);
        break;
      case 'seed':
        useGradient(logits, at);
        break;
      case 'relu-gradient':
        useMask(step.node.name, at);
        useGradient(step.node.name, at);
        break;
      case 'gradient': {
        const { node } = step;
        const input = graph.node(node.inputs[0]);
        useGradient(node.name, at);
        useGradient(input.name, at);
        if (node.op === 'maxpool') use(tensorName.codes(node.name), 0, at);
        if (node.op === 'dense') {
          const words = denseScratch(denseShape(graph, node, convention), 'grad-input');
          use(tensorName.scratch(node.name, 'grad-input'), words, at);
        }
        if (input.name !== target) {
          const gate = reluGate(graph, input);
          if (gate === 'activation') useActivation(input.name, at);
          if (gate === 'mask' && appliesMask(graph, node)) useMask(input.name, at);
        }
        break;
      }
      case 'moments':
        useGradient(target as string, at);
        // Sample weights need the logits of the batch.
        useActivation(logits, at);
        break;
    }
  });
  if (classes > 1) keepForWaysBack(tensors, steps);
  return tensors;
}

/** What the forward pass leaves for the way back is needed until the last of several has begun its last step. */
function keepForWaysBack(tensors: ReadonlyMap<string, Lifetime>, steps: readonly Step[]): void {
  const seed = steps.findIndex(({ kind }) => kind === 'seed');
  for (const lifetime of tensors.values()) {
    if (lifetime.first < seed && lifetime.last > seed) lifetime.last = steps.length - 1;
  }
}

/** Puts tensors whose lifetimes do not meet into the same buffers, the largest first. */
function shareBuffers(
  lifetimes: ReadonlyMap<string, Lifetime>,
  rows: number,
): { tensors: Map<string, TensorPlan>; bufferBytes: number[] } {
  const bufferBytes: number[] = [];
  const residents: Lifetime[][] = [];
  const tensors = new Map<string, TensorPlan>();
  const bySize = [...lifetimes].sort(([, a], [, b]) => b.words - a.words);
  for (const [name, lifetime] of bySize) {
    let buffer = residents.findIndex((others) => others.every((other) => !overlap(lifetime, other)));
    if (buffer < 0) {
      buffer = residents.push([]) - 1;
      bufferBytes.push(lifetime.words * 4 * rows);
    }
    residents[buffer].push(lifetime);
    tensors.set(name, { ...lifetime, buffer });
  }
  return { tensors, bufferBytes };
}

function overlap(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Shapes of the convolutions whose backward pass a target needs: those behind it. */
export function convolutionsBehind(graph: Graph, target: string) {
  return graph.after(target).flatMap((node) => (node.op === 'conv2d' ? [{ node, shape: convShape(graph, node) }] : []));
}
