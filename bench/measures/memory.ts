/** m7, m9: what an explanation takes on the GPU, and how many kernels it starts. */
import { OverflowError } from '../../src/errors.ts';
import type { Dispatch } from '../../src/gpu/encoder.ts';
import { halvedElements } from '../../src/network/shapes.ts';
import type { Bench } from '../bench.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { opOf, type RecordedRun, recordRuns } from '../recorder.ts';
import { type Row, row, targetRow } from '../report.ts';
import { LAYERS } from './task.ts';

/** n of the table of targets: all n up to it take no more. */
const SAMPLES = 50;
/** Ops of the network itself; the others make its inputs or work on its outputs. */
const NETWORK_OPS = ['conv2d', 'maxpool', 'relu', 'flatten', 'dense', 'one-hot'];
/** The gradient of the logit with respect to the logits: the backward pass begins. */
const SEED_OP = 'one-hot';

/**
 * In dry runs, which make every buffer of an explanation with n = 50 and run no kernel: the buffers depend on shapes and
 * limits alone.
 */
export async function measureMemory({ gpu, clock, size }: Bench): Promise<Row[]> {
  const { pool } = gpu;
  const { isSoftware } = clock;
  const rows: Row[] = [];
  let forwardAndBackward: Row | undefined;
  for (const layer of LAYERS) {
    // With a model of its own, because what the backward pass makes of the weights for itself counts.
    const before = pool.currentBytes;
    const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer, samples: SAMPLES }));
    try {
      const weights = pool.currentBytes - before;
      // Buffers that an earlier explanation left in the pool are not this one's: they go when two jobs did not use them.
      pool.endRound();
      pool.endRound();
      const others = pool.currentBytes - weights;
      const runs = await recordRuns(gpu, () => dryRun(ours), { dry: true });
      const peak = pool.peakBytes - others - weights;
      const note = `n = ${SAMPLES}, beyond ${toMib(weights).toFixed(0)} MiB of weights; allocated, not computed`;
      rows.push(targetRow('m7', `memory, ${layer}`, [toMib(peak)], { isSoftware, note }));
      const halved = toMib(weights - 2 * halvedElements(ours.model.graph)).toFixed(0);
      const precisionNote = `float32; about ${halved} with precision 'f16-storage'`;
      rows.push(row(`memory.${layer}.n${SAMPLES}`, 'weights', 'MiB', [toMib(weights)], precisionNote));
      rows.push(row(`memory.${layer}.n${SAMPLES}`, 'batches', '', [runs.filter(isBatch).length]));
      // The last layer of the loop has the longest way back.
      forwardAndBackward = countDispatches(runs.filter(isBatch), isSoftware);
    } finally {
      ours.dispose();
    }
  }
  return [...rows, forwardAndBackward!];
}

/** What was left in the buffers may be no map at all. */
async function dryRun(ours: OwnExplainer): Promise<void> {
  await ours.explain().catch((error: unknown) => {
    if (!(error instanceof OverflowError)) throw error;
  });
}

function isBatch({ dispatches }: RecordedRun): boolean {
  return dispatches.some((dispatch) => opOf(dispatch) === SEED_OP);
}

/** Of the batch with the most. */
function countDispatches(batches: readonly RecordedRun[], isSoftware: boolean): Row {
  const counts = batches.map(({ dispatches }) => countBatch(dispatches));
  const most = counts.reduce((a, b) => (a.forward + a.backward >= b.forward + b.backward ? a : b));
  const { forward, backward, others } = most;
  const note = `${forward} + ${backward} at ${LAYERS.at(-1)}; besides ${others} for noise, scores, moments and map`;
  return targetRow('m9', 'dispatches, forward and backward', [forward + backward], { isSoftware, note });
}

function countBatch(dispatches: readonly Dispatch[]): { forward: number; backward: number; others: number } {
  const seed = dispatches.findIndex((dispatch) => opOf(dispatch) === SEED_OP);
  const count = (some: readonly Dispatch[]) => some.filter((each) => NETWORK_OPS.includes(opOf(each))).length;
  const forward = count(dispatches.slice(0, seed));
  const backward = count(dispatches.slice(seed));
  return { forward, backward, others: dispatches.length - forward - backward };
}

function toMib(bytes: number): number {
  return bytes / 2 ** 20;
}
