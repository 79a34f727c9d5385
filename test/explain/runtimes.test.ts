/** Whole explanations in Chromium and in Deno: their compilers, their numbers, the same oracle. */
import { bundleTests } from '../runtimes/bundle.ts';
import { startChromium } from '../runtimes/chromium.ts';
import { startDeno } from '../runtimes/deno.ts';
import { reportTests } from '../runtimes/remote.ts';

const bundle = await bundleTests([
  'test/explain/explain.test.ts',
  'test/explain/scores.test.ts',
  'test/explain/presets.test.ts',
  'test/explain/bits.test.ts',
]);
reportTests('Chromium', await startChromium(bundle));
reportTests('Deno', await startDeno(bundle));
