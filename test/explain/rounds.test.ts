/**
 * Explain, combine, release, over and over: the GPU's memory and the heap stay as they are. GRADCAM_ROUNDS takes more rounds
 * than usual, such as 10000, and says what came out.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect } from 'vitest';
import { explain } from '../../src/explain.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Model } from '../../src/model.ts';
import type { ExplainOptions } from '../../src/options.ts';
import { gpuTest } from '../harness/gpu.ts';
import { loadSmallVgg, noisyPicture, smallVgg } from '../network/small-vgg.ts';

const ROUNDS = Number(process.env.GRADCAM_ROUNDS ?? 300);
/** Rounds after which caches are full: compiled kernels, pooled buffers, and what the engine of the language optimises. */
const FIRST_ROUNDS = 100;
const TIMEOUT_MS = 60_000 + 100 * ROUNDS;
const HEAP_SLACK_BYTES = 2 ** 20;

const VGG = smallVgg({ name: 'vgg11', channels: 1 });
const PICTURE = noisyPicture(2, 32);
/** In turns: every kind of buffer that outlives a call, and none. */
const CALLS: readonly ExplainOptions[] = [
  { method: 'smooth-grad-cam++', nSamples: 2 },
  { method: 'layer-cam', layerName: 'block3_conv2', keep: true },
  { method: 'grad-cam++', score: 'softmax', layerName: 'block4_conv1' },
  { method: 'eigen-cam', keep: true },
];

describe('explain, combine and release', () => {
  gpuTest(
    `take no more memory after ${ROUNDS} rounds than after ${FIRST_ROUNDS}`,
    async (gpu) => {
      using model = await loadSmallVgg(gpu, VGG);
      await rounds(model, 0, FIRST_ROUNDS);
      const before = memory(gpu);
      const started = performance.now();
      await rounds(model, FIRST_ROUNDS, ROUNDS);
      const ms = (performance.now() - started) / (ROUNDS - FIRST_ROUNDS);
      const after = memory(gpu);
      if (process.env.GRADCAM_ROUNDS !== undefined) console.log({ rounds: ROUNDS, msPerRound: ms, before, after });
      expect(after.gpuBytes).toBe(before.gpuBytes);
      expect(after.pipelines).toBe(before.pipelines);
      expect(after.heapBytes - before.heapBytes).toBeLessThan(HEAP_SLACK_BYTES);
      expect(after.externalBytes - before.externalBytes).toBeLessThan(HEAP_SLACK_BYTES);
    },
    TIMEOUT_MS,
  );
});

async function rounds(model: Model, from: number, to: number): Promise<void> {
  for (let round = from; round < to; round++) {
    const result = await explain(model, PICTURE, { ...CALLS[round % CALLS.length], seed: round });
    await result.combine({ filters: [round % 4] });
    result.release();
  }
}

/** Once everything is collected that can be. */
function memory(gpu: Gpu) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    gpuBytes: gpu.memory.currentBytes,
    pipelines: gpu.pipelineCount,
    heapBytes: heapUsed,
    externalBytes: external,
    residentBytes: rss,
  };
}
