/**
 * Runs the tests on an adapter: `npm test -- [--force-variant NAME | --force-each] [Vitest's arguments]`. See run-on-adapter.js
 * for the choice of adapter. With --force-variant, the kernel NAME is used wherever it can be, or the adapter is taken for one
 * with the traits NAME (test/harness/forced.ts); with --force-each, the tests are run with each in turn.
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

/** Ends this process, with 1 if the tests fail with any kernel or traits. */
async function forceEach(rest) {
  const { module: forced } = await importSource('test/harness/forced.ts');
  const runs = [
    ...forced.FORCIBLE.map((name) => [name, rest]),
    ...forced.FORCIBLE_IN_FLOAT16.map((name) => [name, [...rest, '-t', 'float16']]),
  ];
  const failed = runs.filter(([name, own]) => {
    console.error(`\nWith ${name} wherever it can be:`);
    const program = [fileURLToPath(import.meta.url), '--force-variant', name, ...own];
    return spawnSync(process.execPath, program, { stdio: 'inherit' }).status !== 0;
  });
  const names = failed.map(([name]) => name).join(', ');
  console.error(names ? `\nFailed with: ${names}` : '\nPassed with every kernel, and with all traits');
  process.exit(names ? 1 : 0);
}
