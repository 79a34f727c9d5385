/** The shipped weights: that they are the ones whose accuracy models/README.md states, and that the library gets it. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { classify } from '../../src/classify.ts';
import { loadModel } from '../../src/model.ts';
import { BUILT_IN_MODEL, findModel } from '../../src/network/models.ts';
import { nodeStore } from '../../src/node/files.ts';
import { drawScene } from '../../src/scenes/scene.ts';
import { gpuTest } from '../harness/gpu.ts';

const WEIGHTS = fileURLToPath(new URL('../../models/vgg16-scenes.safetensors', import.meta.url));
const CARD = fileURLToPath(new URL('../../models/README.md', import.meta.url));
describe('vgg16-scenes', () => {
  it('is the file of the model card and of the table of models, of at most 1.5 MB', async () => {
    const checksum = createHash('sha256')
      .update(await readFile(WEIGHTS))
      .digest('hex');
    expect(findModel(BUILT_IN_MODEL).sources[0]!.checksum).toBe(`sha256-${checksum}`);
    expect(await readFile(CARD, 'utf8')).toContain(checksum);
    expect((await stat(WEIGHTS)).size).toBeLessThanOrEqual(1.5e6);
  });

  // These scenes are easier than most: of the 2,000 that the card's 97.2 % are of, the first mistake is at seed 135.
  gpuTest(
    'knows the main class of at least 97 of the first 100 scenes',
    async (gpu) => {
      using model = await loadModel(gpu, BUILT_IN_MODEL, { store: nodeStore() });
      let right = 0;
      for (let seed = 0; seed < 100; seed++) {
        const scene = drawScene(seed);
        const [best] = await classify(model, scene, { topK: 1 });
        if (best!.classIndex === scene.classIndex) right++;
      }
      expect(right).toBeGreaterThanOrEqual(97);
    },
    600_000,
  );
});
