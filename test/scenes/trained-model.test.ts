/** The shipped weights: that they are the ones whose accuracy models/README.md states, and that the library gets it. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { classify } from '../../src/explain.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { Model } from '../../src/model.ts';
import { Graph } from '../../src/network/graph.ts';
import { Parameters } from '../../src/network/parameters.ts';
import { vgg } from '../../src/network/vgg.ts';
import { nodeStore } from '../../src/node/files.ts';
import { drawScene, SCENE_CLASSES } from '../../src/scenes/scene.ts';
import { openWeights } from '../../src/weights/source.ts';
import { gpuTest } from '../harness/gpu.ts';

const WEIGHTS = fileURLToPath(new URL('../../models/vgg16-scenes.safetensors', import.meta.url));
const CARD = fileURLToPath(new URL('../../models/README.md', import.meta.url));
const CHECKSUM = '02ef24c2a35889fd1d5b7e550781a3713b725e9b73f155b1f5252d4087b31235';

async function loadScenesModel(gpu: Gpu): Promise<Model> {
  const table = vgg('vgg16', { width: 1 / 8, hiddenUnits: 128, classes: SCENE_CLASSES.length });
  const graph = new Graph(table);
  const file = await openWeights(WEIGHTS, { store: nodeStore() });
  try {
    const parameters = await Parameters.load(gpu, graph, file, {});
    return new Model(gpu, table, graph, parameters, file, SCENE_CLASSES);
  } finally {
    await file.close();
  }
}

describe('vgg16-scenes', () => {
  it('is the file of the model card, of at most 1.5 MB', async () => {
    const checksum = createHash('sha256')
      .update(await readFile(WEIGHTS))
      .digest('hex');
    expect(checksum).toBe(CHECKSUM);
    expect(await readFile(CARD, 'utf8')).toContain(checksum);
    expect((await stat(WEIGHTS)).size).toBeLessThanOrEqual(1.5e6);
  });

  gpuTest(
    'knows the main class of at least 95 of the first 100 scenes',
    async (gpu) => {
      using model = await loadScenesModel(gpu);
      let right = 0;
      for (let seed = 0; seed < 100; seed++) {
        const scene = drawScene(seed);
        const [best] = await classify(model, scene, { topK: 1 });
        if (best!.classIndex === scene.classIndex) right++;
      }
      expect(right).toBeGreaterThanOrEqual(95);
    },
    600_000,
  );
});
