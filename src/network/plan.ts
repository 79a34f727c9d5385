/**
 * What one explanation needs on the GPU, worked out from shapes and limits alone: how the samples are split into batches,
 * which tensors exist from which step to which, and which of them share a buffer.
 */
import { LimitError, OptionError } from '../errors.ts';
import type { KernelTraits } from '../gpu/gpu.ts';
import type { KernelChooser } from '../gpu/tuner.ts';
import type { ReluRule } from '../methods.ts';
import { CLASS_MOMENT_FLOATS } from '../ops/class-moments.ts';
import type { Direction } from '../ops/common.ts';
import { finishesOutputs } from '../ops/conv2d.ts';
import { type Conv2dQuestion, conv2dQuestion } from '../ops/conv2d.tuning.ts';
import {
  CONV2D_VARIANTS,
  type Conv2dVariant,
  conv2dScratch,
  conv2dScratchRows,
  convertsWeights,
  formLength,
  type WeightsForm,
  weightsForm,
} from '../ops/conv2d.variants.ts';
import { denseScratch } from '../ops/dense.ts';
import { maxpoolCodeWords } from '../ops/maxpool.ts';
import { reluMaskWords } from '../ops/relu.ts';
import type { KernelChoices } from '../options.ts';
import { type Conv2dNode, type Convention, elementsOf, type Graph, type GraphNode, type MaxpoolNode } from './graph.ts';
import { convShape, denseShape, mapsShape, poolShape } from './shapes.ts';

/** The limits that matter here. */
export interface PlanLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

export interface PlanRequest {
  readonly graph: Graph;
  readonly convention: Convention;
  /** Node whose outputs are explained, the input among them; without one, the plan ends at the logits. */
  readonly target: string | undefined;
  /** false: no gradient is wanted, so that the plan ends at the logits. Default true. */
  readonly backward?: boolean;
  /** Further nodes that are explained, between the target and the logits: the way back to the target takes theirs, too. */
  readonly onTheWay?: readonly string[];
  /** How the gradient passes a ReLU on the way to the target. Default 'gradient'. */
  readonly rule?: ReluRule;
  /** A node in front of which the way back to the target passes, whose own gradient is wanted too. */
  readonly layer?: string;
  /** n; 0 explains the clean picture's own gradient. */
  readonly samples: number;
  /** How many of the samples, at the end, only have their scores taken. Default 0. */
  readonly scoredOnly?: number;
  /** In place of noisy copies and ways back: copies that lack something, passed forward behind the clean picture. */
  readonly masked?: MaskedCopies;
  /** Classes that are explained, each with a way back of its own. Default 1. */
  readonly classes?: number;
  /** Whether ways back of many classes come first, for the moments that a softmax's derivatives take. Default false. */
  readonly classMoments?: boolean;
  /** Upper bound on the rows of a batch. */
  readonly batch?: number;
  readonly limits: PlanLimits;
  readonly traits: KernelTraits;
  /** Kernels that are chosen already, and taken where the device can. */
  readonly kernels?: KernelChoices;
  /** Chooses among kernels; by default the first. */
  readonly tuner?: KernelChooser;
}

export interface MaskedCopies {
  /** Node in whose output they lack it, where their way forward begins: the input or the target. */
  readonly from: string;
  readonly count: number;
}

/**
 * Bytes of a batch's network buffers, all together, beyond which a batch is split: enough rows of VGG to fill a
 * large GPU, and no more memory than a phone's browser gives. A single sample may take more.
 */
export const WORKING_BYTES = 128 * 2 ** 20;

/**
 * Bytes of other forms of the weights, Winograd's filters above all, that are held besides the weights from one batch to
 * the next. What goes beyond is made anew in each batch: on two cores that takes 25 ms for the largest layer of VGG, of
 * 300 ms or more that four rows take there.
 */
export const HELD_FORM_BYTES = 128 * 2 ** 20;

/**
 * A batch: `noisy` samples, copies or points of a path, beginning with number `firstSample`, then the clean picture if `clean` is 1; or nothing but
 * `masked` copies.
 */
export interface Batch {
  readonly firstSample: number;
  readonly noisy: number;
  readonly clean: 0 | 1;
  /** Rows, from the first, whose gradient is wanted. */
  readonly gradients: number;
  readonly masked?: { readonly first: number; readonly count: number };
}

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

export type Step =
  | { readonly kind: 'input' }
  /** A node's output; with `pool`, that of the max-pooling behind it instead. */
  | {
      readonly kind: 'forward';
      readonly node: GraphNode;
      readonly pool?: MaxpoolNode;
      /** Of a convolution: its kernel. */
      readonly variant?: Conv2dVariant;
      readonly makesWeights?: boolean;
    }
  | { readonly kind: 'mask' | 'capture'; readonly node: GraphNode }
  | { readonly kind: 'relu-gradient'; readonly node: GraphNode; readonly relu: ReluGradient }
  | { readonly kind: 'logits' | 'seed' }
  /** Takes the gradient with respect to a node's output: the target's, or that of a node on the way to it. */
  | { readonly kind: 'moments'; readonly target: string }
  | {
      readonly kind: 'gradient';
      readonly node: GraphNode;
      readonly variant?: Conv2dVariant;
      /** Whether the step makes the form of the weights that its kernel takes; else it is held, see HELD_FORM_BYTES. */
      readonly makesWeights?: boolean;
      /** What the step does at its input's ReLU; undefined where it leaves the gradient behind it. */
      readonly relu?: ReluGradient;
    };

/** How a gradient is brought to the front of a ReLU. */
export interface ReluGradient {
  /** What tells where the ReLU was active, as reluGate(); undefined where that does not matter. */
  readonly gate: ReturnType<typeof reluGate>;
  /** Negative gradients are stopped. */
  readonly positive: boolean;
}

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
  /** In a form that is not held. */
  weights: (node: string, direction: Direction) => `${direction} weights of ${node}`,
  /** Of a kernel that takes several, each has a name. */
  scratch: (node: string, direction: Direction, part = 'scratch') => `${direction} ${part} of ${node}`,
  classMoments: (target: string) => `class moments of ${target}`,
} as const;

/**
 * @throws LimitError when a single sample does not fit; OptionError for a target without a path to the logits, or for
 * kernels that there are not.
 */
export function planExplanation(request: PlanRequest): Plan {
  const { graph, limits, samples, scoredOnly, masked, backward = true, batch } = request;
  const splitAll = (mostRows: number) =>
    masked ? splitMasked(masked.count, mostRows) : splitSamples(samples, mostRows, scoredOnly);
  const split = (mostRows: number) =>
    backward ? splitAll(mostRows) : splitAll(mostRows).map((each) => ({ ...each, gradients: 0 }));
  checkKernels(request);
  const steps = holdForms(graph, listSteps(request));
  const tensors = findLifetimes(request, steps);

  const bindable = bindableBytes(request);
  let maxRows = batch ?? Number.POSITIVE_INFINITY;
  for (const [name, { words, mostRows }] of tensors) {
    const fits = Math.floor(bindable / (4 * words));
    if (fits < 1) {
      throw new LimitError(`${graph.name}: ${name} of one sample`, {
        limit: bindable < limits.maxStorageBufferBindingSize ? 'maxBufferSize' : 'maxStorageBufferBindingSize',
        needed: 4 * words,
        available: bindable,
      });
    }
    if (fits < mostRows) maxRows = Math.min(maxRows, fits);
  }
  let batches = split(maxRows);
  while (rowsOf(batches) > 1 && sumOf(shareBuffers(tensors, rowsOf(batches)).bufferBytes) > WORKING_BYTES) {
    batches = split(rowsOf(batches) - 1);
  }
  return { batches, rows: rowsOf(batches), steps, ...shareBuffers(tensors, rowsOf(batches)) };
}

function checkKernels({ graph, kernels = {} }: PlanRequest): void {
  const convolutions = graph.nodes.filter(({ op }) => op === 'conv2d').map(({ name }) => name);
  const allow = (name: string, names: readonly string[]) => {
    if (!names.includes(name)) throw new OptionError('kernels', name, names.join(', '));
  };
  for (const [convolution, choices] of Object.entries(kernels)) {
    allow(convolution, convolutions);
    for (const [direction, kernel] of Object.entries(choices)) {
      allow(direction, ['forward', 'grad-input'] satisfies Direction[]);
      if (kernel !== undefined) allow(kernel, CONV2D_VARIANTS);
    }
  }
}

/** What one binding can hold. */
function bindableBytes({ limits }: PlanRequest): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

export function batchRows({ noisy, clean, masked }: Batch): number {
  return noisy + clean + (masked?.count ?? 0);
}

/** Rows of the largest batch. */
function rowsOf(batches: readonly Batch[]): number {
  return Math.max(...batches.map(batchRows));
}

function sumOf(bytes: readonly number[]): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}

/**
 * Splits the n noisy samples and the clean picture into as few batches as `maxRows` allows, their sizes equal or one apart. The
 * clean picture closes the first batch, so that the class it chooses is known before the first backward pass.
 *
 * @param scoredOnly samples at the end whose gradient is not wanted
 */
export function splitSamples(samples: number, maxRows: number, scoredOnly = 0): Batch[] {
  if (maxRows < 1) throw new OptionError('batch', maxRows, 'at least 1');
  const total = samples + 1;
  const parts = Math.ceil(total / maxRows);
  const batches: Batch[] = [];
  let firstSample = 0;
  for (let part = 0; part < parts; part++) {
    const rows = Math.floor(total / parts) + (part < total % parts ? 1 : 0);
    const clean = part === 0 ? 1 : 0;
    const noisy = rows - clean;
    const differentiated = Math.min(noisy, Math.max(0, samples - scoredOnly - firstSample));
    batches.push({ firstSample, noisy, clean, gradients: samples === 0 ? 1 : differentiated });
    firstSample += noisy;
  }
  return batches;
}

/** The clean picture on its own, whose feature maps the copies need, then the copies, in as few equal batches as can be. */
export function splitMasked(copies: number, maxRows: number): Batch[] {
  const clean: Batch = { firstSample: 0, noisy: 0, clean: 1, gradients: 0 };
  const parts = Math.ceil(copies / maxRows);
  const firstOf = (part: number) => Math.floor((part * copies) / parts);
  const masked = Array.from({ length: parts }, (_, part) => ({
    ...clean,
    clean: 0 as const,
    masked: { first: firstOf(part), count: firstOf(part + 1) - firstOf(part) },
  }));
  return [clean, ...masked];
}

/** Nodes that the way back passes, in forward order. */
function nodesOnWayBack(request: PlanRequest): GraphNode[] {
  const { graph, target } = request;
  return target === undefined || !hasWayBack(request) ? [] : graph.after(target);
}

function hasWayBack({ target, masked, backward = true }: PlanRequest): boolean {
  return target !== undefined && !masked && backward;
}

/** Whether a node's output is wanted itself, or its gradient. */
function isExplained({ target, layer, onTheWay = [] }: PlanRequest, { name }: GraphNode): boolean {
  return name === target || name === layer || onTheWay.includes(name);
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

function reluGradient({ graph, onTheWay }: PlanRequest, node: GraphNode, rule: ReluRule = 'gradient'): ReluGradient {
  // Where the gradient behind the ReLU is wanted as well, whatever reads the ReLU must not bring it to the front.
  const gate = onTheWay?.includes(node.name) && hasRelu(node) ? 'mask' : reluGate(graph, node);
  return { gate: rule === 'deconvnet' ? undefined : gate, positive: rule !== 'gradient' };
}

/** Whether the way back needs a bit for each element of a node's ReLU. */
function needsMask(request: PlanRequest, node: GraphNode): boolean {
  return nodesOnWayBack(request).includes(node) && reluGradient(request, node, request.rule).gate === 'mask';
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
function fusedPool(request: PlanRequest, node: GraphNode): MaxpoolNode | undefined {
  const { graph } = request;
  if (node.op !== 'conv2d' || isExplained(request, node)) return undefined;
  if (!finishesOutputs(convShape(graph, node))) return undefined;
  const reader = graph.consumer(node.name);
  return reader?.op === 'maxpool' && reader.kernel === 2 && reader.stride === 2 ? reader : undefined;
}

/** A flatten in C, H, W order changes no byte. */
function isView(node: GraphNode, convention: Convention): boolean {
  return node.op === 'flatten' && convention === 'torch';
}

function listSteps(request: PlanRequest): Step[] {
  const { graph, convention, target, layer, rule } = request;
  const steps: Step[] = [{ kind: 'input' }];
  const pooled = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (node.op === 'input' || node.op === 'softmax') continue;
    const pool = fusedPool(request, node);
    if (pool) pooled.add(pool);
    if (!isView(node, convention) && !pooled.has(node)) {
      steps.push({ kind: 'forward', node, pool, variant: chooseVariant(request, node, 'forward') });
    }
    if (needsMask(request, node) && !writesMask(graph, node)) {
      steps.push({ kind: 'mask', node });
    }
    if (isExplained(request, node)) steps.push({ kind: 'capture', node });
  }
  steps.push({ kind: 'logits' });
  if (target === undefined || !hasWayBack(request)) return steps;
  if (layer !== undefined) steps.push(...wayBack(request, layer, 'gradient'));
  return [...steps, ...wayBack(request, target, rule)];
}

function wayBack(request: PlanRequest, target: string, rule: ReluRule | undefined): Step[] {
  const { graph, convention, onTheWay = [] } = request;
  const steps: Step[] = [{ kind: 'seed' }];
  for (const node of graph.after(target).toReversed()) {
    // The gradient of the target is wanted behind its ReLU, on the way behind it first and then in front, and else in front.
    const input = graph.node(node.inputs[0]);
    const isOnTheWay = onTheWay.includes(input.name);
    const relu = input.name !== target && hasRelu(input) ? reluGradient(request, input, rule) : undefined;
    const isOwnStep = isOnTheWay || (reluGate(graph, input) === 'mask' && !appliesMask(graph, node));
    if (!isView(node, convention)) {
      const variant = chooseVariant(request, node, 'grad-input');
      steps.push({ kind: 'gradient', node, variant, relu: isOwnStep ? undefined : relu });
    }
    if (isOnTheWay) steps.push({ kind: 'moments', target: input.name });
    if (relu && isOwnStep) steps.push({ kind: 'relu-gradient', node: input, relu });
  }
  steps.push({ kind: 'moments', target });
  return steps;
}

/** Marks the steps that make their weights' form: those for whose forms the steps in front of them have left no room. */
function holdForms(graph: Graph, steps: readonly Step[]): Step[] {
  const held = new Set<string>();
  let room = HELD_FORM_BYTES;
  return steps.map((step) => {
    const needed = neededForm(graph, step);
    if (!needed || !convertsWeights(needed.form)) return step;
    const key = `${needed.node.name} ${needed.form}`;
    const bytes = formBytes(graph, needed);
    if (!held.has(key) && bytes > room) return { ...step, makesWeights: true };
    if (!held.has(key)) room -= bytes;
    held.add(key);
    return step;
  });
}

interface NeededForm {
  readonly node: Conv2dNode;
  readonly form: WeightsForm;
}

function formBytes(graph: Graph, { node, form }: NeededForm): number {
  return 4 * formLength(form, convShape(graph, node));
}

/** The form of a convolution's weights that a step takes. */
function neededForm(graph: Graph, step: Step): NeededForm | undefined {
  if (!(step.kind === 'forward' || step.kind === 'gradient') || !step.variant) return undefined;
  const form = weightsForm(step.variant, step.kind === 'forward' ? 'forward' : 'grad-input');
  return { node: graph.node(step.node.name) as Conv2dNode, form };
}

/** A convolution's kernel: a matter of the adapter, the shape and n, so that no batch's bits depend on the split. */
function chooseVariant(request: PlanRequest, node: GraphNode, direction: Direction): Conv2dVariant | undefined {
  if (node.op !== 'conv2d') return undefined;
  const { kernels, tuner } = request;
  const question = kernelQuestion(request, node, direction);
  const chosen = question.candidates.find((name) => name === kernels?.[node.name]?.[direction]);
  return chosen ?? (tuner ? tuner.choose(question) : question.candidates[0]);
}

/**
 * Whether the gradient meets ties in max-pooling on its way: cells of early layers see little of the picture, and in its even
 * areas many are equal. In front of the last pooling each sees most of it.
 */
function tiesMatter(request: PlanRequest): boolean {
  return nodesOnWayBack(request).filter(({ op }) => op === 'maxpool').length > 1;
}

function kernelQuestion(request: PlanRequest, node: Conv2dNode, direction: Direction): Conv2dQuestion {
  const { graph, samples, masked, traits } = request;
  const rows = (masked?.count ?? samples) + 1;
  const evenly = direction === 'forward' && tiesMatter(request);
  return conv2dQuestion(traits, convShape(graph, node), direction, rows, bindableBytes(request), evenly);
}

/** The choices of kernels that a plan makes, each once. */
export function kernelQuestions(request: PlanRequest): Conv2dQuestion[] {
  const questions = listSteps(request).flatMap((step) => {
    if (!(step.kind === 'forward' || step.kind === 'gradient') || step.node.op !== 'conv2d') return [];
    return [kernelQuestion(request, step.node, step.kind === 'forward' ? 'forward' : 'grad-input')];
  });
  return [...new Map(questions.map((question) => [question.key, question])).values()];
}

/** The kernels of a plan's convolutions. */
export function kernelsOf({ steps }: Pick<Plan, 'steps'>): KernelChoices {
  const kernels: Record<string, { forward?: string; 'grad-input'?: string }> = {};
  for (const step of steps) {
    if (!(step.kind === 'forward' || step.kind === 'gradient') || !step.variant) continue;
    kernels[step.node.name] ??= {};
    kernels[step.node.name]![step.kind === 'forward' ? 'forward' : 'grad-input'] = step.variant;
  }
  return kernels;
}

/** The forms of weights that a plan's steps take and do not make themselves. */
export function weightsNeeded(graph: Graph, { steps }: Pick<Plan, 'steps'>): NeededForm[] {
  return steps.flatMap((step) => ('makesWeights' in step && step.makesWeights ? [] : (neededForm(graph, step) ?? [])));
}

/** Names that stand for the same bytes: those of a flatten in C, H, W order are its input's. */
export function storedNode(graph: Graph, convention: Convention, name: string): string {
  const node = graph.node(name);
  return isView(node, convention) ? storedNode(graph, convention, node.inputs[0]) : name;
}

type Lifetime = {
  words: number;
  /** Rows beyond which it need not grow with the batch. */
  mostRows: number;
  first: number;
  last: number;
};

function findLifetimes(request: PlanRequest, steps: readonly Step[]): Map<string, Lifetime> {
  const { graph, convention, target, onTheWay = [], masked, classes = 1, classMoments = false } = request;
  const tensors = new Map<string, Lifetime>();
  // All other nodes are the clean picture's alone.
  const ofCopies = new Set(masked && graph.after(masked.from).map(({ name }) => name));
  const mostRowsOf = (node: string) => (masked && !ofCopies.has(node) ? 1 : Number.POSITIVE_INFINITY);
  const use = (name: string, words: number, at: number, mostRows = Number.POSITIVE_INFINITY) => {
    const known = tensors.get(name);
    if (known) known.last = at;
    else tensors.set(name, { words, mostRows, first: at, last: at });
  };
  const useScratch = (node: GraphNode, direction: Direction, at: number, variant?: Conv2dVariant) => {
    if (node.op === 'dense') {
      const words = denseScratch(denseShape(graph, node, convention), direction);
      use(tensorName.scratch(node.name, direction), words, at, mostRowsOf(node.name));
    }
    if (node.op !== 'conv2d' || !variant) return;
    for (const [part, words] of Object.entries(conv2dScratch(variant, convShape(graph, node), direction) ?? {})) {
      const mostRows = Math.min(mostRowsOf(node.name), conv2dScratchRows(words));
      use(tensorName.scratch(node.name, direction, part), words, at, mostRows);
    }
  };
  // Of the whole batch, however many rows it has.
  const useMadeWeights = (step: Step, direction: Direction, at: number) => {
    const needed = 'makesWeights' in step && step.makesWeights ? neededForm(graph, step) : undefined;
    if (needed) use(tensorName.weights(needed.node.name, direction), formBytes(graph, needed) / 4, at, 1);
  };
  const stored = (name: string) => storedNode(graph, convention, name);
  const useActivation = (name: string, at: number) => {
    const mostRows = name === masked?.from ? undefined : mostRowsOf(name);
    use(tensorName.activation(stored(name)), elementsOf(graph.shape(stored(name))), at, mostRows);
  };
  const useGradient = (name: string, at: number) =>
    use(tensorName.gradient(stored(name)), elementsOf(graph.shape(stored(name))), at);
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
        useGradient(logits, at);
        if (classMoments) useClassMoments(at);
        break;
      case 'relu-gradient':
        if (step.relu.gate) useMask(step.node.name, at);
        useGradient(step.node.name, at);
        break;
      case 'gradient': {
        const { node, relu } = step;
        const input = graph.node(node.inputs[0]);
        useGradient(node.name, at);
        useGradient(input.name, at);
        if (node.op === 'maxpool') use(tensorName.codes(node.name), 0, at);
        useScratch(node, 'grad-input', at, step.variant);
        useMadeWeights(step, 'grad-input', at);
        if (relu?.gate === 'activation') useActivation(input.name, at);
        if (relu?.gate === 'mask') useMask(input.name, at);
        break;
      }
      case 'moments':
        useGradient(step.target, at);
        // Scores need the logits of the batch.
        useActivation(logits, at);
        if (classMoments) useClassMoments(at);
        break;
    }
  });
  if (classes > 1 || classMoments) keepForWaysBack(tensors, steps);
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
