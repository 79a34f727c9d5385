/** The whole job: Smooth Grad-CAM++ of a picture on VGG-16, as a user of the library calls it. */
import type { Gpu } from '../src/gpu/gpu.ts';
import { drawScene, explain, loadModel, type Model } from '../src/index.ts';
import { type Effort, interleave, timed } from './measure.ts';
import { type Row, row, timeRows } from './report.ts';

/** Behind one, and behind all but one of the convolutions: the shortest and the longest way back. */
const LAYERS = ['block5_conv3', 'block1_conv1'] as const;
type Layer = (typeof LAYERS)[number];

interface RunCounts {
  /** Calls of Gpu.run, which is once per batch. */
  calls: number;
  dispatches: number;
  submits: number;
}

export async function runTask(gpu: Gpu, samples: number, effort: Effort): Promise<Row[]> {
  const model = await loadModel(gpu, 'vgg16', { weights: { random: 0 } });
  try {
    const peaks = {} as Record<Layer, number>;
    for (const layer of LAYERS) peaks[layer] = await firstPeakBytes(model, layer, samples);

    const counts = {} as Record<Layer, RunCounts>;
    const contestant = (layer: Layer) => async () => {
      const counting = countRuns(gpu);
      const time = await timed(() => explainLayer(model, layer, samples)).finally(counting.stop);
      counts[layer] = counting.counts;
      return time;
    };
    const times = await interleave(
      { block5_conv3: contestant('block5_conv3'), block1_conv1: contestant('block1_conv1') },
      effort,
    );
    return LAYERS.flatMap((layer) => {
      const id = `task.${layer}.n${samples}`;
      const { calls, dispatches, submits } = counts[layer];
      return [
        ...timeRows(id, times[layer], gpu.adapterInfo),
        row(
          id,
          'per sample',
          's',
          times[layer].map(({ ms }) => ms / 1000 / samples),
        ),
        row(id, 'beyond the weights', 'MiB', [peaks[layer] / 2 ** 20]),
        row(id, 'dispatches', 'per batch', [dispatches / calls]),
        row(id, 'submits', 'per batch', [submits / calls]),
      ];
    });
  } finally {
    model.dispose();
  }
}

function explainLayer(model: Model, layerName: Layer, nSamples: number) {
  return explain(model, drawScene(1), { layerName, nSamples, stdDev: 0.3, classIndex: 0 });
}

/**
 * Greatest sum of buffers while a layer is explained for the first time, without the weights. What the backward pass
 * makes of the weights for itself counts. Also the warm-up: kernels are compiled here.
 */
async function firstPeakBytes(model: Model, layer: Layer, samples: number): Promise<number> {
  const { pool } = model.gpu;
  // Buffers that an earlier explanation left in the pool are not this one's: they go when two jobs did not use them.
  pool.endRound();
  pool.endRound();
  const before = pool.currentBytes;
  await explainLayer(model, layer, samples);
  return pool.peakBytes - before;
}

/** Counts what the library asks of a Gpu from now on, until stopped. */
function countRuns(gpu: Gpu): { counts: RunCounts; stop: () => void } {
  const counts: RunCounts = { calls: 0, dispatches: 0, submits: 0 };
  const { run } = gpu;
  gpu.run = async (...args) => {
    const result = await run.apply(gpu, args);
    counts.calls++;
    counts.dispatches += args[0].length;
    counts.submits += result.submits;
    return result;
  };
  return {
    counts,
    stop: () => {
      gpu.run = run;
    },
  };
}
