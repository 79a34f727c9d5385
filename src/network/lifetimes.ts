/** Which tensors a plan's steps need, from which step to which, and which of them share a buffer. */
import type { Direction } from '../ops/common.ts';
import { type Conv2dVariant, conv2dScratch } from '../ops/conv2d.variants.ts';
import { denseScratch } from '../ops/dense.ts';
import { maxpoolCodeWords } from '../ops/maxpool.ts';
import { CLASS_MOMENT_FLOATS } from '../ops/moments.ts';
import { reluMaskWords } from '../ops/relu.ts';
import { elementsOf, type GraphNode } from './graph.ts';
import { convShape, denseShape, mapsShape, poolShape } from './shapes.ts';
import {
  classByClass,
  neededBytes,
  neededForm,
  needsMask,
  nodesOnWayBack,
  type PlanRequest,
  type Step,
  storedNode,
  writesMask,
} from './steps.ts';

export interface TensorPlan {
  /** 4-byte words of one row. */
  readonly words: number;
  /** Rows that it holds: those of the batch, of scratch perhaps fewer. */
  readonly rows: number;
  /** First and last step at which the tensor is needed. */
  readonly first: number;
  readonly last: number;
  /** Which of the plan's buffers holds it. */
  readonly buffer: number;
}

export const tensorName = {
  activation: (node: string) => `activation of ${node}`,
  gradient: (node: string) => `gradient of ${node}`,
  /** Of all classes, one class behind the other. */
  classGradients: (node: string) => `gradients of ${node} of all classes`,
  mask: (node: string) => `mask of ${node}`,
  codes: (node: string) => `codes of ${node}`,
  /** In a form that is not held. */
  weights: (node: string, direction: Direction) => `${direction} weights of ${node}`,
  /** Of a kernel that takes several, each has a name. */
  scratch: (node: string, direction: Direction, part = 'scratch') => `${direction} ${part} of ${node}`,
  classMoments: (target: string) => `class moments of ${target}`,
} as const;

type Lifetime = {
  words: number;
  /** Rows beyond which it need not grow with the batch. */
  mostRows: number;
  first: number;
  last: number;
};

export function findLifetimes(request: PlanRequest, steps: readonly Step[]): Map<string, Lifetime> {
  const { graph, convention, traits, target, onTheWay = [], masked, classes = 1, classMoments = false } = request;
  const tensors = new Map<string, Lifetime>();
  // All other nodes are the clean picture's alone.
  const ofCopies = new Set(masked && graph.after(masked.from).map(({ name }) => name));
  const mostRowsOf = (node: string) => (masked && !ofCopies.has(node) ? 1 : Number.POSITIVE_INFINITY);
  const use = (name: string, words: number, at: number, mostRows = Number.POSITIVE_INFINITY) => {
    const known = tensors.get(name);
    if (known) known.last = at;
    else tensors.set(name, { words, mostRows, first: at, last: at });
  };
  const useScratch = (node: GraphNode, direction: Direction, at: number, variant?: Conv2dVariant, factor = 1) => {
    if (node.op === 'dense') {
      const words = factor * denseScratch(denseShape(graph, node, convention), direction);
      use(tensorName.scratch(node.name, direction), words, at, mostRowsOf(node.name));
    }
    if (node.op !== 'conv2d' || !variant) return;
    const sizes = conv2dScratch(variant, traits, convShape(graph, node), direction);
    for (const [part, { words, mostRows }] of Object.entries(sizes)) {
      use(tensorName.scratch(node.name, direction, part), words, at, Math.min(mostRowsOf(node.name), mostRows));
    }
  };
  // Of the whole batch, however many rows it has.
  const useMadeWeights = (step: Step, direction: Direction, at: number) => {
    const needed = 'makesWeights' in step && step.makesWeights ? neededForm(graph, step) : undefined;
    if (needed) use(tensorName.weights(needed.node.name, direction), neededBytes(request, needed) / 4, at, 1);
  };
  const stored = (name: string) => storedNode(graph, convention, name);
  const useActivation = (name: string, at: number) => {
    const mostRows = name === masked?.from ? undefined : mostRowsOf(name);
    use(tensorName.activation(stored(name)), elementsOf(graph.shape(stored(name))), at, mostRows);
  };
  const useGradient = (name: string, at: number) =>
    use(tensorName.gradient(stored(name)), elementsOf(graph.shape(stored(name))), at);
  const useClassGradients = (name: string, of: number, at: number) =>
    use(tensorName.classGradients(name), of * elementsOf(graph.shape(name)), at);
  const useMask = (name: string, at: number) => use(tensorName.mask(name), reluMaskWords(mapsShape(graph, name)), at);
  const useClassMoments = (at: number) => {
    for (const name of [target as string, ...onTheWay])
      use(tensorName.classMoments(name), CLASS_MOMENT_FLOATS * elementsOf(graph.shape(name)), at);
  };
  const logits = graph.logits.name;
  const behind = nodesOnWayBack(request);

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
        if (needsMask(request, node) && writesMask(graph, node)) useMask(node.name, at);
        useScratch(node, 'forward', at, step.variant);
        useMadeWeights(step, 'forward', at);
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
        if (step.classes) useClassGradients(logits, step.classes, at);
        else useGradient(logits, at);
        if (classMoments) useClassMoments(at);
        break;
      case 'class':
        useClassGradients(step.node.name, classes, at);
        useGradient(step.node.name, at);
        break;
      case 'relu-gradient':
        if (step.relu.gate) useMask(step.node.name, at);
        useGradient(step.node.name, at);
        break;
      case 'gradient': {
        const { node, relu } = step;
        const input = graph.node(node.inputs[0]);
        for (const { name } of [node, input]) {
          if (step.classes) useClassGradients(name, step.classes, at);
          else useGradient(name, at);
        }
        if (node.op === 'maxpool') use(tensorName.codes(node.name), 0, at);
        useScratch(node, 'grad-input', at, step.variant, step.classes);
        useMadeWeights(step, 'grad-input', at);
        if (relu?.gate === 'activation') useActivation(input.name, at);
        if (relu?.gate === 'mask') useMask(input.name, at);
        break;
      }
      case 'moments':
        useGradient(step.pool?.name ?? step.target, at);
        if (step.pool) use(tensorName.codes(step.pool.name), 0, at);
        // Scores need the logits of the batch.
        useActivation(logits, at);
        if (classMoments) useClassMoments(at);
        break;
    }
  });
  if (classes > 1 || classMoments) keepForWaysBack(tensors, steps);
  return tensors;
}

/**
 * What the forward pass, or the part of the way back that all classes share, leaves for what is done class by class is needed
 * until the last class has begun its last step.
 */
function keepForWaysBack(tensors: ReadonlyMap<string, Lifetime>, steps: readonly Step[]): void {
  const from = classByClass(steps);
  for (const lifetime of tensors.values()) {
    if (lifetime.first < from && lifetime.last >= from) lifetime.last = steps.length - 1;
  }
}

/** Puts tensors whose lifetimes do not meet into the same buffers, the largest first. */
export function shareBuffers(
  lifetimes: ReadonlyMap<string, Lifetime>,
  rows: number,
): { tensors: Map<string, TensorPlan>; bufferBytes: number[] } {
  const bufferBytes: number[] = [];
  const residents: Lifetime[][] = [];
  const tensors = new Map<string, TensorPlan>();
  const bytesOf = ({ words, mostRows }: Lifetime) => words * 4 * Math.min(rows, mostRows);
  const bySize = [...lifetimes].sort(([, a], [, b]) => bytesOf(b) - bytesOf(a));
  for (const [name, lifetime] of bySize) {
    let buffer = residents.findIndex((others) => others.every((other) => !overlap(lifetime, other)));
    if (buffer < 0) {
      buffer = residents.push([]) - 1;
      bufferBytes.push(bytesOf(lifetime));
    }
    residents[buffer].push(lifetime);
    const { words, mostRows, first, last } = lifetime;
    tensors.set(name, { words, rows: Math.min(rows, mostRows), first, last, buffer });
  }
  return { tensors, bufferBytes };
}

function overlap(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}
