/**
 * Runs the tests on an adapter: `npm test -- [--force-variant NAME | --force-each] [Vitest's arguments]`. See run-on-adapter.js
 * for the choice of adapter. With --force-variant, the kernel NAME is used wherever it can be (src/ops/conv2d.variants.ts);
 * with --force-each, the tests are run with each kernel in turn.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { importSource, runOnAdapter } from './run-on-adapter.js';

const args = process.argv.slice(2);
if (args.includes('--force-each')) await forceEach(args.filter((arg) => arg !== '--force-each'));

const flag = args.indexOf('--force-variant');
if (flag >= 0) [, process.env.GRADCAM_TEST_VARIANT] = args.splice(flag, 2);

const vitestPackage = createRequire(import.meta.url).resolve('vitest/package.json');
const vitest = join(dirname(vitestPackage), 'vitest.mjs');
await runOnAdapter([vitest, 'run', ...args]);

/** Ends this process, with 1 if the tests fail with any kernel. */
async function forceEach(rest) {
  const { module: variants } = await importSource('src/ops/conv2d.variants.ts');
  const failed = variants.CONV2D_VARIANTS.filter((name) => {
    console.error(`\nWith ${name} wherever it can be:`);
    const program = [fileURLToPath(import.meta.url), '--force-variant', name, ...rest];
    return spawnSync(process.execPath, program, { stdio: 'inherit' }).status !== 0;
  });
  console.error(failed.length > 0 ? `\nFailed with: ${failed.join(', ')}` : '\nPassed with every kernel');
  process.exit(failed.length > 0 ? 1 : 0);
}
