/** m4: the arithmetic speed of VGG-16's convolutions, forward, as an explanation runs them. */

import { convShape } from '../../src/network/shapes.ts';
import { conv2dOutput } from '../../src/ops/conv2d.ts';
import type { Bench, Session } from '../bench.ts';
import { countedMs, type Duration, interleave } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem, type Problem } from '../problem.ts';
import { opOf, recordRuns } from '../recorder.ts';
import { type Row, row, targetRow, timeRows } from '../report.ts';
import { Workbench } from '../workbench.ts';

export async function measureConvolutions(bench: Bench, session: Session): Promise<Row[]> {
  const { gpu, clock, samples, size, effort } = bench;
  const { multiplyAdd } = await session.roofs();
  // Behind its last convolution the gradient needs no other: all of them run forward.
  const problem = makeProblem(size, { head: 'linear', layer: 'block5_conv3', samples });
  const ours = await OwnExplainer.create(gpu, problem);
  try {
    const runs = await recordRuns(gpu, () => ours.explain());
    // Their buffers went back to the pool, where they live on until the next job but one.
    const dispatches = runs.flatMap((run) => run.dispatches);
    const inputs = dispatches.filter((dispatch) => opOf(dispatch) === 'noise');
    const convolutions = dispatches.filter((dispatch) => opOf(dispatch) === 'conv2d');
    const workbench = new Workbench(gpu, samples);
    const run = async (): Promise<Duration> => {
      await gpu.run(inputs);
      await gpu.device.queue.onSubmittedWorkDone();
      return workbench.time(convolutions);
    };
    const { conv2d: times } = await interleave({ conv2d: run }, effort);
    const flops = directFlops(problem) * (samples + 1);
    const speeds = times.map((time) => flops / (countedMs(time, clock) * 1e6));
    const id = `convolutions.n${samples}`;
    return [
      targetRow(
        'm4',
        'convolutions, share of the roof',
        speeds.map((speed) => (100 * speed) / multiplyAdd),
        { isSoftware: clock.isSoftware, note: `n = ${samples}, forward, with bias and ReLU, counted as direct` },
      ),
      ...timeRows(id, times, gpu.adapterInfo),
      row(id, 'arithmetic', 'GFLOP/s', speeds),
      row(id, 'roof', 'GFLOP/s', [multiplyAdd]),
    ];
  } finally {
    ours.dispose();
  }
}

/** Of one sample, multiply and add counted as two. */
function directFlops({ graph }: Problem): number {
  return graph.nodes.reduce((total, node) => {
    if (node.op !== 'conv2d') return total;
    const shape = convShape(graph, node);
    const out = conv2dOutput(shape);
    return total + 2 * shape.kernel ** 2 * shape.inChannels * shape.outChannels * out.height * out.width;
  }, 0);
}
