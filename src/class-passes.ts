/** The gradients of many classes, for scores that are made of all of them: a softmax's second and third derivatives. */
import { jobAt, waysBack } from './batches.ts';
import { probableClasses } from './cam/probable-classes.ts';
import type { Dispatch } from './gpu/encoder.ts';
import type { ClassTable, Job, KeptClasses } from './job.ts';
import { tensorName } from './network/lifetimes.ts';
import { activationSlice, gradientSlice, tensorSlice } from './network/run.ts';
import type { Batch } from './network/split.ts';
import { classMoments } from './ops/class-moments.ts';
import { logSoftmaxGradInput } from './ops/softmax.log-grad-input.ts';

/**
 * Reads the logits that forwardBatch() made and writes down, for each sample, the classes whose gradients it takes: they
 * depend on its own probabilities alone, not on the other samples of its batch.
 */
export async function chooseClasses(job: Job, batch: Batch): Promise<KeptClasses> {
  const { context, classes, options } = job;
  const { gpu } = context.parameters;
  const table = job.classTable as ClassTable;
  const rows = batch.gradients;
  if (rows === 0) return { keptClasses: 0, droppedMass: 0 };
  const logits = activationSlice(context, context.graph.logits.name);
  const values = await gpu.readFloats({ ...logits, size: 4 * rows * classes });
  const chosen = Array.from({ length: rows }, (_, row) =>
    probableClasses(values.subarray(row * classes, (row + 1) * classes), options.maxDroppedShare),
  );
  const most = Math.max(...chosen.map(({ classes: kept }) => kept.length));
  // Samples that take fewer have classes of probability 0, which add nothing.
  const index = new Uint32Array(most * rows);
  const probabilities = new Float32Array(most * rows);
  for (const [row, kept] of chosen.entries()) {
    for (const [rank, classIndex] of kept.classes.entries()) {
      index[rank * rows + row] = classIndex;
      probabilities[rank * rows + row] = kept.probabilities[rank];
    }
  }
  gpu.write(table.index.buffer, index);
  gpu.write(table.probabilities.buffer, probabilities);
  return { keptClasses: most, droppedMass: Math.max(...chosen.map(({ droppedMass }) => droppedMass)) };
}

/** The ways back of the classes that chooseClasses() wrote down, which all explained classes share. */
export function classMomentsBatch(jobs: readonly Job[], batch: Batch, { keptClasses }: KeptClasses): Dispatch[] {
  const [{ context, classes, classTable }] = jobs;
  const { index, probabilities } = classTable as ClassTable;
  const samples = batch.gradients;
  const logits = activationSlice(context, context.graph.logits.name);
  const y = gradientSlice(context, context.graph.logits.name);
  return Array.from({ length: keptClasses }, (_, rank) => {
    const first = rank * samples;
    const add = (target: string) => {
      const { maps, cells } = jobAt(jobs, target);
      const grad = gradientSlice(context, target);
      const sums = tensorSlice(context, tensorName.classMoments(target));
      return [classMoments(maps * cells, samples, { grad, probabilities, moments: sums, first, restart: rank === 0 })];
    };
    return waysBack(context, batch, logSoftmaxGradInput(classes, samples, { logits, index, y, first }), add);
  }).flat();
}
