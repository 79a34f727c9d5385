/** The golden maps through another WebGPU, Deno's wgpu. Where ../shared is absent, the test is skipped and says so. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { it } from 'vitest';
import { bundleTests } from '../runtimes/bundle.ts';
import { startDeno } from '../runtimes/deno.ts';
import { reportTests } from '../runtimes/remote.ts';

const shared = new URL('../../../shared', import.meta.url);
const needed = ['golden', 'models/vgg19-imagenet'].map((folder) => `${fileURLToPath(shared)}/${folder}`);

if (needed.every((folder) => existsSync(folder))) {
  const constants = { SHARED_URL: shared.href };
  const bundle = await bundleTests(['test/explain/golden-deno-tests.ts'], { constants });
  reportTests('Deno', await startDeno(bundle, { readable: needed }));
} else {
  it.skip('golden maps in Deno (skipped: ../shared/golden or ../shared/models/vgg19-imagenet is absent)', () => {});
}
