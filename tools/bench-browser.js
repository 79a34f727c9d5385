/** Serves the bench as a page to open in a browser: `npm run bench:browser`. */
import { join } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './run-on-adapter.js';

const { module: page } = await runnerImport(join(root, 'bench/node/page.ts'), {
  root,
  configFile: false,
  logLevel: 'error',
});
const server = await page.servePage();
console.log(`Open ${server.resolvedUrls.local[0]} in the browser to measure. Ctrl+C ends it.`);
