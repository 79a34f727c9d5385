/** The steps of an explanation through the network, in order, and the kernel of each convolution. */
import type { KernelTraits } from '../gpu/gpu.ts';
import type { KernelChooser } from '../gpu/tuning.ts';
import type { ReluRule } from '../methods.ts';
import type { Direction } from '../ops/common.ts';
import { finishesOutputs, weightsDtype } from '../ops/conv2d.ts';
import { type Conv2dQuestion, conv2dQuestion } from '../ops/conv2d.tuning.ts';
import { type Conv2dVariant, convertsWeights, formBytes, weightsForm } from '../ops/conv2d.variants.ts';
import { unpoolsMoments } from '../ops/moments.ts';
import type { KernelChoices } from '../options.ts';
import { DEFAULT_PRECISION, type Precision } from '../precision.ts';
import type { Conv2dNode, Convention, Graph, GraphNode, MaxpoolNode } from './graph.ts';
import type { NeededWeights } from './parameters.ts';
import { convShape, poolShape } from './shapes.ts';

/** The limits that matter here. */
export interface PlanLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

export interface PlanRequest {
  readonly graph: Graph;
  readonly convention: Convention;
  /** Of the network's weights. Default 'f32'. */
  readonly precision?: Precision;
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
  /** Whether even areas of the picture are even in what is differentiated: not behind noise. Default true. */
  readonly hasEvenAreas?: boolean;
  /** Whether single cells' gradients show in the result, not only their sums over a feature map. Default false. */
  readonly cellsStandAlone?: boolean;
  /** How many of the samples, at the end, only have their scores taken. Default 0. */
  readonly scoredOnly?: number;
  /** In place of noisy copies and ways back: copies that lack something, passed forward behind the clean picture. */
  readonly masked?: MaskedCopies;
  /** Classes that are explained, each with a way back of its own. Default 1. */
  readonly classes?: number;
  /** Whether each way back begins at a logit, so that those of several classes can take the same matrices together. */
  readonly fromLogits?: boolean;
  /** Whether the gradients of the samples are taken one by one at the target, besides their moments. Default false. */
  readonly eachGradient?: boolean;
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
 * Bytes of other forms of the weights, Winograd's filters above all, that are held besides the weights from one batch to
 * the next. What goes beyond is made anew in each batch: on two cores that takes 25 ms for the largest layer of VGG, of
 * 300 ms or more that four rows take there.
 */
export const HELD_FORM_BYTES = 128 * 2 ** 20;

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
  | { readonly kind: 'logits' }
  /** The gradient of the logits; with `classes`, those of so many classes together. */
  | { readonly kind: 'seed'; readonly classes?: number }
  /** What comes behind it is done class by class: it takes one's gradient with respect to a node's output from those of all. */
  | { readonly kind: 'class'; readonly node: GraphNode }
  /**
   * Takes the gradient with respect to a node's output: the target's, or that of a node on the way to it. With `pool`, from the
   * gradient behind the max-pooling that reads the node: it is added up while it is unpooled, and never written.
   */
  | { readonly kind: 'moments'; readonly target: string; readonly pool?: MaxpoolNode }
  | {
      readonly kind: 'gradient';
      readonly node: GraphNode;
      readonly variant?: Conv2dVariant;
      /** Whether the step makes the form of the weights that its kernel takes; else it is held, see HELD_FORM_BYTES. */
      readonly makesWeights?: boolean;
      /** It takes the gradients of so many classes together. */
      readonly classes?: number;
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

/** The steps in order; those from 'seed' on are the way back. */
export function planSteps(request: PlanRequest): Step[] {
  return holdForms(request, listSteps(request));
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

/**
 * How many classes' gradients go through the fully connected layers at once: their matrices are large, and reading them is what
 * a further class would cost most.
 */
function classesTogether({ classes = 1, fromLogits, classMoments, layer }: PlanRequest): number | undefined {
  return classes > 1 && fromLogits && !classMoments && layer === undefined ? classes : undefined;
}

/** The first step that is run once for each class; there is a way back. */
export function classByClass(steps: readonly Step[]): number {
  const shared = steps.findIndex(({ kind }) => kind === 'class');
  return shared >= 0 ? shared : steps.findIndex(({ kind }) => kind === 'seed');
}

function wayBack(request: PlanRequest, target: string, rule: ReluRule | undefined): Step[] {
  const { graph, convention, onTheWay = [] } = request;
  const shared = classesTogether(request);
  const steps: Step[] = [{ kind: 'seed', classes: shared }];
  const pool = unpooledByMoments(request, target);
  let classes = shared;
  for (const node of graph.after(target).toReversed()) {
    if (classes !== undefined && node.op !== 'dense') {
      classes = undefined;
      steps.push({ kind: 'class', node });
    }
    if (node === pool) break;
    // The gradient of the target is wanted behind its ReLU, on the way behind it first and then in front, and else in front.
    const input = graph.node(node.inputs[0]);
    const isOnTheWay = onTheWay.includes(input.name);
    const relu = input.name !== target && hasRelu(input) ? reluGradient(request, input, rule) : undefined;
    const isOwnStep = isOnTheWay || (reluGate(graph, input) === 'mask' && !appliesMask(graph, node));
    if (!isView(node, convention)) {
      const variant = chooseVariant(request, node, 'grad-input');
      steps.push({ kind: 'gradient', node, variant, classes, relu: isOwnStep ? undefined : relu });
    }
    if (isOnTheWay) steps.push({ kind: 'moments', target: input.name });
    if (relu && isOwnStep) steps.push({ kind: 'relu-gradient', node: input, relu });
  }
  if (classes !== undefined) steps.push({ kind: 'class', node: graph.node(target) });
  steps.push({ kind: 'moments', target, pool });
  return steps;
}

/** The max-pooling behind the target, where nobody takes the gradients at the target but the sums of their moments. */
function unpooledByMoments(
  { graph, eachGradient = false, classMoments = false }: PlanRequest,
  target: string,
): MaxpoolNode | undefined {
  const reader = graph.consumer(target);
  if (reader?.op !== 'maxpool' || eachGradient || classMoments) return undefined;
  return unpoolsMoments(poolShape(graph, reader)) ? reader : undefined;
}

/** Nodes that the way back passes, in forward order. */
export function nodesOnWayBack(request: PlanRequest): GraphNode[] {
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
function reluGate(graph: Graph, node: GraphNode): 'codes' | 'activation' | 'mask' | undefined {
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
export function needsMask(request: PlanRequest, node: GraphNode): boolean {
  return nodesOnWayBack(request).includes(node) && reluGradient(request, node, request.rule).gate === 'mask';
}

/** Whether the gradient step of `reader` applies the mask of its input's ReLU by itself. */
function appliesMask(graph: Graph, reader: GraphNode): boolean {
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

/** Marks the steps that make their weights' form: those for whose forms the steps in front of them have left no room. */
function holdForms(request: PlanRequest, steps: readonly Step[]): Step[] {
  const held = new Set<string>();
  let room = HELD_FORM_BYTES;
  return steps.map((step) => {
    const needed = neededForm(request.graph, step);
    if (!needed || !convertsWeights(needed.form)) return step;
    const key = `${needed.node.name} ${needed.form}`;
    const bytes = neededBytes(request, needed);
    if (!held.has(key) && bytes > room) return { ...step, makesWeights: true };
    if (!held.has(key)) room -= bytes;
    held.add(key);
    return step;
  });
}

export function neededBytes(
  { graph, precision = DEFAULT_PRECISION }: PlanRequest,
  { node, form }: NeededWeights,
): number {
  return formBytes(form, convShape(graph, node), weightsDtype(precision));
}

/** The form of a convolution's weights that a step takes. */
export function neededForm(graph: Graph, step: Step): NeededWeights | undefined {
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
 * areas many are equal. In front of the last pooling each sees most of it. Noise leaves no two cells equal.
 */
function tiesMatter(request: PlanRequest): boolean {
  const { hasEvenAreas = true } = request;
  return hasEvenAreas && poolingsOnWayBack(request) > 1;
}

function poolingsOnWayBack(request: PlanRequest): number {
  return nodesOnWayBack(request).filter(({ op }) => op === 'maxpool').length;
}

/**
 * What a convolution is computed in. Rounding in the forward pass decides which of two nearly equal cells max-pooling takes, and
 * which ReLU is active. Sums over a feature map behind one pooling hardly show it; cells that stand alone do, and what several
 * poolings have moved: there float16 is for the way back alone, where nothing is compared.
 */
function arithmetic(request: PlanRequest, direction: Direction): Precision | undefined {
  const { precision, cellsStandAlone = false } = request;
  const moves = nodesOnWayBack(request).length > 0 && (cellsStandAlone || poolingsOnWayBack(request) > 1);
  return precision === 'f16' && direction === 'forward' && moves ? 'f16-storage' : precision;
}

/** What one binding can hold. */
export function bindableBytes({ limits }: PlanRequest): number {
  return Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

function kernelQuestion(request: PlanRequest, node: Conv2dNode, direction: Direction): Conv2dQuestion {
  const { graph, samples, masked, traits } = request;
  const rows = (masked?.count ?? samples) + 1;
  const evenly = direction === 'forward' && tiesMatter(request);
  const precision = arithmetic(request, direction);
  return conv2dQuestion(traits, convShape(graph, node), direction, rows, bindableBytes(request), precision, evenly);
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
export function kernelsOf({ steps }: { readonly steps: readonly Step[] }): KernelChoices {
  const kernels: Record<string, { forward?: string; 'grad-input'?: string }> = {};
  for (const step of steps) {
    if (!(step.kind === 'forward' || step.kind === 'gradient') || !step.variant) continue;
    kernels[step.node.name] ??= {};
    kernels[step.node.name]![step.kind === 'forward' ? 'forward' : 'grad-input'] = step.variant;
  }
  return kernels;
}

/** The forms of weights that a plan's steps take and do not make themselves. */
export function weightsNeeded(graph: Graph, { steps }: { readonly steps: readonly Step[] }): NeededWeights[] {
  return steps.flatMap((step) => ('makesWeights' in step && step.makesWeights ? [] : (neededForm(graph, step) ?? [])));
}

/** Names that stand for the same bytes: those of a flatten in C, H, W order are its input's. */
export function storedNode(graph: Graph, convention: Convention, name: string): string {
  const node = graph.node(name);
  return isView(node, convention) ? storedNode(graph, convention, node.inputs[0]) : name;
}
