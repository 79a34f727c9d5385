import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { KERNEL_CHUNKS } from '../tools/kernel-chunks.ts';
import { strippedWgsl } from '../tools/strip-wgsl.ts';
import { renderedDocs } from './rendered-docs.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** What the library loads on demand, this page may need at once. */
const CHECKS = { ineffectiveDynamicImport: false };

/** What the worker begins with, in one file: in ten, a first map would wait for another round of requests. */
const WHOLE = { name: 'worker', tags: ['$initial' as const] };

/** The page takes the library by its public names, which tsconfig.json leads to its sources. */
export default defineConfig({
  root: path('.'),
  // Works under any path.
  base: './',
  resolve: { tsconfigPaths: true },
  plugins: [renderedDocs(path('../docs')), policyForDevelopment(), strippedWgsl()],
  worker: {
    format: 'es',
    plugins: () => [strippedWgsl()],
    rolldownOptions: { checks: CHECKS, output: { codeSplitting: { groups: [...KERNEL_CHUNKS.groups, WHOLE] } } },
  },
  server: { fs: { allow: [path('..')] } },
  build: {
    outDir: path('../build/demo'),
    emptyOutDir: true,
    target: 'es2022',
    // As data: URLs they would need a wider policy.
    assetsInlineLimit: 0,
    rolldownOptions: { checks: CHECKS },
  },
});

/** Vite's development server adds styles to the page and talks to it by a socket; the built page needs neither. */
function policyForDevelopment(): Plugin {
  return {
    name: 'policy-for-development',
    apply: 'serve',
    transformIndexHtml: (html) =>
      html
        .replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
        .replace("connect-src 'self'", "connect-src 'self' ws:"),
  };
}
