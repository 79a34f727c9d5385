/** Runs the tests on an adapter: `npm test -- [Vitest's arguments]`. See run-on-adapter.js for the choice of adapter. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runOnAdapter } from './run-on-adapter.js';

const vitestPackage = createRequire(import.meta.url).resolve('vitest/package.json');
const vitest = join(dirname(vitestPackage), 'vitest.mjs');
await runOnAdapter([vitest, 'run', ...process.argv.slice(2)]);
