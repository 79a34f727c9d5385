/**
 * What one explanation needs on the GPU, worked out from shapes and limits alone: how the samples are split into batches,
 * which tensors exist from which step to which, and which of them share a buffer.
 */
import { LimitError, OptionError } from '../errors.ts';
import type { Direction } from '../ops/common.ts';
import { ALL_CONV2D_VARIANTS } from '../ops/conv2d.variants.ts';
import { sumOf } from '../sum.ts';
import { findLifetimes, shareBuffers, type TensorPlan } from './lifetimes.ts';
import { type Batch, batchRows, splitMasked, splitSamples } from './split.ts';
import { bindableBytes, type PlanRequest, planSteps, type Step } from './steps.ts';

/**
 * Bytes of a batch's network buffers, all together, beyond which a batch is split: enough rows of VGG to fill a
 * large GPU, and no more memory than a phone's browser gives. A single sample may take more.
 */
export const WORKING_BYTES = 128 * 2 ** 20;

export interface Plan {
  readonly batches: readonly Batch[];
  readonly rows: number;
  /** In order; those from 'seed' on are run for the gradient rows only, once for each class. */
  readonly steps: readonly Step[];
  /** By tensor name: tensorName.activation(node) and its sisters. */
  readonly tensors: ReadonlyMap<string, TensorPlan>;
  readonly bufferBytes: readonly number[];
}

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
  const steps = planSteps(request);
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
      if (kernel !== undefined) allow(kernel, ALL_CONV2D_VARIANTS);
    }
  }
}

/** Rows of the largest batch. */
function rowsOf(batches: readonly Batch[]): number {
  return Math.max(...batches.map(batchRows));
}
