/**
 * What one explanation needs on the GPU, worked out from shapes and limits alone: how the samples are split into batches,
 * which tensors exist from which step to which, and which of them share a buffer.
 */
import { LimitError, OptionError } from '../errors.ts';
import { denseScratch } from '../ops/dense.ts';
import { maxpoolCodeWords } from '../ops/maxpool.ts';
import { reluMaskWords } from '../ops/relu.ts';
import { type Convention, elementsOf, type Graph, type GraphNode } from './graph.ts';
import { convShape, denseShape, poolShape } from './shapes.ts';

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
  /** Upper bound on the rows of a batch. */
  readonly batch?: number;
  readonly limits: PlanLimits;
}

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
  | { readonly kind: 'noise' }
  | { readonly kind: 'forward' | 'mask' | 'capture'; readonly node: GraphNode }
  | { readonly kind: 'logits' | 'seed' | 'moments' }
  | { readonly kind: 'relu-gradient' | 'gradient'; readonly node: GraphNode };

export interface Plan {
  readonly batches: readonly Batch[];
  readonly rows: number;
  /** In order; those behind 'seed' are run for the gradient rows only. */
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

/** Whether a ReLU's gradient takes a mask; behind one that a max-pool reads, the pool's codes say where it was zero. */
function needsMask(graph: Graph, node: GraphNode): boolean {
  return hasRelu(node) && graph.consumer(node.name)?.op !== 'maxpool';
}

/** A flatten in C, H, W order changes no byte. */
function isView(node: GraphNode, convention: Convention): boolean {
  return node.op === 'flatten' && convention === 'torch';
}

function listSteps({ graph, convention, target }: PlanRequest): Step[] {
  const behind = nodesBehind(graph, target);
  const steps: Step[] = [{ kind: 'noise' }];
  for (const node of graph.nodes) {
    if (node.op === 'input' || node.op === 'softmax') continue;
    if (!isView(node, convention)) steps.push({ kind: 'forward', node });
    if (behind.includes(node) && needsMask(graph, node)) steps.push({ kind: 'mask', node });
    if (node.name === target) steps.push({ kind: 'capture', node });
  }
  steps.push({ kind: 'logits' });
  if (target === undefined) return steps;
  steps.push({ kind: 'seed' });
  for (const node of behind.toReversed()) {
    if (needsMask(graph, node)) steps.push({ kind: 'relu-gradient', node });
    if (!isView(node, convention)) steps.push({ kind: 'gradient', node });
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

function findLifetimes({ graph, convention, target }: PlanRequest, steps: readonly Step[]): Map<string, Lifetime> {
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
  const useMask = (node: GraphNode, at: number) =>
    use(tensorName.mask(node.name), reluMaskWords(elementsOf(graph.shape(node.name))), at);
  const logits = graph.logits.name;
  const behind = nodesBehind(graph, target);

  steps.forEach((step, at) => {
    switch (step.kind) {
      case 'noise':
        useActivation(graph.input.name, at);
        break;
      case 'forward': {
        const { node } = step;
        useActivation(node.inputs[0], at);
        useActivation(node.name, at);
        if (node.op === 'maxpool' && behind.includes(node)) {
          use(tensorName.codes(node.name), maxpoolCodeWords(poolShape(graph, node)), at);
        }
        if (node.op === 'dense') {
          const words = denseScratch(denseShape(graph, node, convention), 'forward');
          if (words > 0) use(tensorName.scratch(node.name, 'forward'), words, at);
        }
        break;
      }
      case 'mask':
        useActivation(step.node.name, at);
        useMask(step.node, at);
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
        useMask(step.node, at);
        useGradient(step.node.name, at);
        break;
      case 'gradient': {
        const { node } = step;
        useGradient(node.name, at);
        useGradient(node.inputs[0], at);
        if (node.op === 'maxpool') use(tensorName.codes(node.name), 0, at);
        if (node.op === 'dense') {
          const words = denseScratch(denseShape(graph, node, convention), 'grad-input');
          if (words > 0) use(tensorName.scratch(node.name, 'grad-input'), words, at);
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
  return tensors;
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
