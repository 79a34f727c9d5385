/** m8: every n and layer under WebGPU's default limits, with the same bits. */
import { OverflowError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Bench } from '../bench.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem, type NetworkSize, type Problem } from '../problem.ts';
import { recordRuns } from '../recorder.ts';
import { type Row, row, targetRow } from '../report.ts';

const NARROW: NetworkSize = { width: 1 / 16, inputSize: 64 };
const NARROW_SAMPLES = [0, 1, 3];
/** n up to which every layer must find room. */
const MOST_SAMPLES = 50;

/**
 * Three checks. Every layer of the full network finds room at n = 50, in a dry run. Every layer of a narrow network has
 * the same bits on a device with the adapter's limits and on one with WebGPU's own, whose batches hold one row. The full
 * network has, too, at its last layer.
 */
export async function measureBits(bench: Bench): Promise<Row[]> {
  const { clock, size, progress } = bench;
  const [wide, tight] = [await bench.openGpu('adapter'), await bench.openGpu('default')];
  try {
    progress('bits: room for every layer');
    const unplaced = await layersWithoutRoom(tight, size);
    progress('bits: every layer of a narrow network');
    const narrow = makeProblem(NARROW, { head: 'classifier', layer: 'block5_conv3', samples: 1 });
    const narrowRuns = layerNames(narrow).flatMap((layerName) =>
      NARROW_SAMPLES.map((samples) => ({ layerName, samples })),
    );
    const narrowDifferent = await differentBits(wide, tight, narrow, narrowRuns);
    progress('bits: the full network');
    const full = makeProblem(size, { head: 'classifier', layer: 'block5_conv3', samples: 1 });
    const fullDifferent = await differentBits(wide, tight, full, [{ layerName: 'block5_conv3', samples: 2 }]);
    const failures = [...unplaced, ...narrowDifferent, ...fullDifferent];
    const note =
      failures.length > 0
        ? failures.slice(0, 3).join('; ')
        : `${layerNames(full).length} layers at n = ${MOST_SAMPLES} find room; ${narrowRuns.length + 1} maps have the same bits`;
    return [
      targetRow('m8', 'same bits under default limits', [failures.length === 0 ? 1 : 0], {
        isSoftware: clock.isSoftware,
        note,
      }),
      row('bits', 'largest binding by default', 'MiB', [tight.limits.maxStorageBufferBindingSize / 2 ** 20]),
      row('bits', 'largest binding of the adapter', 'MiB', [wide.limits.maxStorageBufferBindingSize / 2 ** 20]),
    ];
  } finally {
    wide.dispose();
    tight.dispose();
  }
}

function layerNames({ graph }: Problem): string[] {
  return graph.layers.map(({ name }) => name);
}

/** What the library says of the layers that it cannot explain with n = 50. */
async function layersWithoutRoom(gpu: Gpu, size: NetworkSize): Promise<string[]> {
  const problem = makeProblem(size, { head: 'classifier', layer: 'block5_conv3', samples: MOST_SAMPLES });
  const ours = await OwnExplainer.create(gpu, problem);
  const failures: string[] = [];
  try {
    for (const layerName of layerNames(problem)) {
      try {
        await recordRuns(gpu, () => ours.explainWith({ layerName }), { dry: true });
      } catch (error) {
        // Buffers that nothing was computed into may hold anything.
        if (!(error instanceof OverflowError)) failures.push(`${layerName}: ${(error as Error).message}`);
      }
    }
    return failures;
  } finally {
    ours.dispose();
  }
}

interface LayerRun {
  readonly layerName: string;
  readonly samples: number;
}

/** The runs whose maps differ by so much as a bit. */
async function differentBits(wide: Gpu, tight: Gpu, problem: Problem, runs: readonly LayerRun[]): Promise<string[]> {
  const [onWide, onTight] = [await OwnExplainer.create(wide, problem), await OwnExplainer.create(tight, problem)];
  const failures: string[] = [];
  try {
    for (const { layerName, samples } of runs) {
      const expected = await onWide.explainWith({ layerName, nSamples: samples });
      const found = await onTight.explainWith({ layerName, nSamples: samples, batch: 1 });
      if (!sameBits(expected, found)) failures.push(`${layerName} at n = ${samples} has other bits`);
    }
    return failures;
  } finally {
    onWide.dispose();
    onTight.dispose();
  }
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  const [x, y] = [a, b].map((values) => new Uint32Array(values.buffer, values.byteOffset, values.length));
  return x!.length === y!.length && x!.every((word, i) => word === y![i]);
}
