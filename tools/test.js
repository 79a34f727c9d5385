/**
 * Runs the tests on an adapter: `npm test -- [--force-variant NAME] [Vitest's arguments]`. See run-on-adapter.js for the
 * choice of adapter. With --force-variant, the kernel NAME is used wherever it can be (src/ops/conv2d.variants.ts).
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runOnAdapter } from './run-on-adapter.js';

const args = process.argv.slice(2);
const flag = args.indexOf('--force-variant');
if (flag >= 0) [, process.env.GRADCAM_TEST_VARIANT] = args.splice(flag, 2);

const vitestPackage = createRequire(import.meta.url).resolve('vitest/package.json');
const vitest = join(dirname(vitestPackage), 'vitest.mjs');
await runOnAdapter([vitest, 'run', ...args]);
