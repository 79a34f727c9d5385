import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { KERNEL_CHUNKS } from './tools/kernel-chunks.ts';
import { strippedWgsl } from './tools/strip-wgsl.ts';

const entry = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Where src/element/addresses.ts finds its files, and where they lie beside dist/element.js. */
const ADDRESSES = {
  './worker.ts': './element-worker.js',
  '../../models/vgg16-scenes.safetensors': '../models/vgg16-scenes.safetensors',
};

/**
 * Leaves `new URL(…, import.meta.url)` as it is, for the bundler of whoever installs the package: Vite would put the worker and
 * the weights into the build a second time, as text.
 */
function keepAddresses(): Plugin {
  const addresses = Object.entries(ADDRESSES).map(([source, built], i) => {
    const call = (path: string) => `new URL('${path}', import.meta.url)`;
    return { written: call(source), mark: `__ADDRESS_${i}__`, built: call(built) };
  });
  return {
    name: 'keep-addresses',
    enforce: 'pre',
    transform(code, id) {
      if (!id.endsWith('/src/element/addresses.ts')) return undefined;
      for (const { written } of addresses) if (!code.includes(written)) this.error(`${id} lacks ${written}`);
      return { code: addresses.reduce((text, { written, mark }) => text.replace(written, mark), code), map: null };
    },
    renderChunk(code, chunk) {
      const found = addresses.filter(({ mark }) => code.includes(mark));
      if (found.length === 0) return undefined;
      if (chunk.fileName !== 'element.js') this.error(`addresses of element.js are in ${chunk.fileName}`);
      return { code: found.reduce((text, { mark, built }) => text.replace(mark, built), code), map: null };
    },
  };
}

/**
 * Which modules share a file, those of higher priority first; each with all that it imports. Bundlers put a file that a page
 * takes anything of into the page's own module.
 */
const CHUNKS = [
  ...KERNEL_CHUNKS.groups.map((group) => ({ ...group, priority: 2 })),
  // Kernels compress best side by side: what they have in common is then within reach of gzip.
  { name: 'kernels', test: /\/shaders\//, priority: 2 },
  // All that a first map stands on.
  { name: 'first-map', test: /\/src\/(explain|gpu\/gpu|model)\.ts$/, priority: 1 },
  // What it does without, though the entry exports it or parts of it: a page that imports none of these names loads them with
  // the first call that has other options than the usual.
  {
    name: 'other-calls',
    test: /\/src\/(cam\/(combined-maps|traced-layer)|define-method|difference|fusion|ops\/softmax\.log-grad-input|presented-maps|presets|resolve-options|score-table)\.ts$/,
  },
];

/** The library build: one ES module per public entry, WGSL inlined as text, run-time dependencies left outside. */
export default defineConfig({
  plugins: [keepAddresses(), strippedWgsl()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    minify: false,
    sourcemap: true,
    lib: {
      formats: ['es'],
      entry: {
        index: entry('src/index.ts'),
        node: entry('src/node.ts'),
        cli: entry('src/cli/main.ts'),
        element: entry('src/element.ts'),
        'element-worker': entry('src/element/worker.ts'),
      },
    },
    rollupOptions: {
      external: [/^node:/, 'webgpu', 'sharp', 'commander', 'cli-progress', 'tar-fs', '@sparticuz/chromium'],
      output: {
        chunkFileNames: 'chunks/[name]-[hash].js',
        codeSplitting: { groups: CHUNKS },
      },
    },
  },
});
