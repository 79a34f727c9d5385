/** Runs the bench on an adapter: `npm run bench -- [options]`. See run-on-adapter.js for the choice of adapter. */
import { join } from 'node:path';
import { build } from 'vite';
import { root, runOnAdapter } from './run-on-adapter.js';

const outDir = join(root, 'build/bench');
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  // For Node: packages stay outside the bundle.
  build: { ssr: 'bench/main.ts', outDir, target: 'es2022', sourcemap: true },
});
await runOnAdapter(['--enable-source-maps', join(outDir, 'main.js'), ...process.argv.slice(2)]);
