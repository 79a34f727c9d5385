/**
 * Runs the tests on an adapter: `npm test -- [--force-variant NAME | --force-each] [Vitest's arguments]`. See run-on-adapter.js
 * for the choice of adapter. With --force-variant, the kernel NAME is used wherever it can be, or the adapter is taken for one
 * with the traits NAME, or both (test/harness/forced.ts); with --force-each, the tests are run with each in turn, and counted.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
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
  const outcomes = runs.map(([name, own]) => {
    console.error(`\nWith ${name} wherever it can be:`);
    return { name, ...runCounted(['--force-variant', name, ...own]) };
  });
  console.error('\nWith each wherever it can be:');
  const rows = outcomes.map(({ name, isGood, report, seconds }) => {
    const failed = isGood ? 0 : report?.numFailedTests || 'see above';
    return [name, { passed: report?.numPassedTests, failed, skipped: report?.numPendingTests, seconds }];
  });
  console.table(Object.fromEntries(rows));
  process.exit(outcomes.every(({ isGood }) => isGood) ? 0 : 1);
}

/** Runs this program with other arguments, and reads Vitest's report, which is missing if it did not come to its end. */
function runCounted(own) {
  const folder = mkdtempSync(join(tmpdir(), 'gradcam-tests-'));
  const file = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const begun = Date.now();
  try {
    const program = [fileURLToPath(import.meta.url), ...own, ...reporters];
    const { status } = spawnSync(process.execPath, program, { stdio: 'inherit' });
    const seconds = Math.round((Date.now() - begun) / 1000);
    const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    return { isGood: status === 0, report, seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
