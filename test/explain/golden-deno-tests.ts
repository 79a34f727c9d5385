/** Golden maps in Deno: weights, pictures and maps come by fetch, as for every user of the core. */
import { describe, it } from 'vitest';
import { loadModel, type Model } from '../../src/model.ts';
import { withErrorScopes } from '../harness/adapter.ts';
import { testGpu } from '../harness/gpu.ts';
import { assertGolden, essentialMaps, GOLDEN_TIMEOUT_MS, type Golden } from './golden.ts';

/** URL of ../shared, put in by the test that bundles this file. */
declare const SHARED_URL: string;

async function read(name: string): Promise<Uint8Array> {
  const response = await fetch(`${SHARED_URL}/golden/${name}`);
  return new Uint8Array(await response.arrayBuffer());
}

const golden: Golden = JSON.parse(new TextDecoder().decode(await read('index.json')));
let loaded: Promise<Model> | undefined;

describe('golden maps', () => {
  for (const map of essentialMaps(golden)) {
    it(
      `${map.file}, class ${map.classIndex}`,
      async () => {
        const gpu = await testGpu();
        await withErrorScopes(gpu.device, async () => {
          loaded ??= loadModel(gpu, 'vgg19', { weights: `${SHARED_URL}/models/vgg19-imagenet/model.json` });
          await assertGolden(await loaded, map, read);
        });
      },
      GOLDEN_TIMEOUT_MS,
    );
  }
});
