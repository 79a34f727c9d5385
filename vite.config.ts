import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const entry = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The library build: one ES module per public entry, WGSL inlined as text, run-time dependencies left outside. */
export default defineConfig({
  build: {
    target: 'es2022',
    outDir: 'dist',
    minify: false,
    sourcemap: true,
    lib: {
      formats: ['es'],
      entry: { index: entry('src/index.ts'), node: entry('src/node.ts'), cli: entry('src/cli/main.ts') },
    },
    rollupOptions: {
      external: [/^node:/, 'webgpu', 'sharp', 'commander', 'cli-progress', 'tar-fs', '@sparticuz/chromium'],
      output: { chunkFileNames: 'chunks/[name]-[hash].js' },
    },
  },
});
