/** Builds and serves the bench's page. */
import { fileURLToPath } from 'node:url';
import { build, type PreviewServer, preview } from 'vite';
import { versionsDefinition } from './versions.ts';

const root = fileURLToPath(new URL('../browser', import.meta.url));
const outDir = fileURLToPath(new URL('../../build/bench-browser', import.meta.url));

/** Builds the page into build/bench-browser, a folder that any web server can serve, and serves it on this machine. */
export async function servePage(port?: number): Promise<PreviewServer> {
  const shared = { root, configFile: false, logLevel: 'warn', base: './', define: versionsDefinition() } as const;
  await build({
    ...shared,
    // The peers are large, and loaded on demand.
    build: { outDir, emptyOutDir: true, target: 'esnext', chunkSizeWarningLimit: 4096 },
  });
  return preview({ ...shared, build: { outDir }, preview: { port, strictPort: port !== undefined } });
}
