#!/usr/bin/env node
import { existsSync } from 'node:fs';

const program = new URL('../dist/cli.js', import.meta.url);
if (!existsSync(program)) {
  console.error('gradcam: dist/cli.js is missing: run "npm run build" in the project\'s root first');
  process.exit(1);
}
const { run } = await import(program.href);
await run();
