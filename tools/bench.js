/** Runs the bench on an adapter: `npm run bench -- [options]`. See run-on-adapter.js for the choice of adapter. */
import { join } from 'node:path';
import { build } from 'vite';
import { importSource, root, runOnAdapter } from './run-on-adapter.js';

const outDir = join(root, 'build/bench');
const { module: versions } = await importSource('bench/node/versions.ts');
await build({
  root,
  configFile: false,
  logLevel: 'warn',
  define: versions.versionsDefinition(),
  // For Node: packages stay outside the bundle.
  build: { ssr: 'bench/main.ts', outDir, target: 'es2022', sourcemap: true },
});
await runOnAdapter(['--enable-source-maps', join(outDir, 'main.js'), ...process.argv.slice(2)]);
