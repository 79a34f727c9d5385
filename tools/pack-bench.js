/** Packs the bench for a GPU machine without a network: `npm run bench:pack` writes build/gpu-box. */
import { join } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './run-on-adapter.js';

const { module: pack } = await runnerImport(join(root, 'bench/box/pack.ts'), {
  root,
  configFile: false,
  logLevel: 'error',
});
try {
  const { folder, bytes } = await pack.packBox();
  console.log(`${folder}: ${(bytes / 1e6).toFixed(1)} MB. Copy it to the machine and start run.sh there.`);
} catch (error) {
  console.error(`bench:pack: ${error.message}`);
  process.exitCode = 1;
}
