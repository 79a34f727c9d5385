import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { strippedWgsl } from './tools/strip-wgsl.ts';

/**
 * The element's worker once more, in one file: for a page that takes it as it takes a picture, by an address, and for Parcel,
 * which loses modules that files of a worker share (package.json's `alias` is read by no other bundler).
 */
export default defineConfig({
  plugins: [strippedWgsl()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: false,
    lib: {
      formats: ['es'],
      entry: { 'element-worker.whole': fileURLToPath(new URL('src/element/worker.ts', import.meta.url)) },
    },
    rollupOptions: { output: { codeSplitting: false, minify: true } },
  },
});
