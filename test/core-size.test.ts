/** What a page downloads of the core. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stripWgsl } from '../tools/strip-wgsl.ts';
import { ensureFreshBuild } from './harness/build.ts';
import { filesBelow, ROOT } from './harness/modules.ts';

/** Of a page that explains, as the README's ten lines do: its own module, which every map needs. The aim is 60 kB with kernels. */
const LARGEST_MODULE_BYTES = 65_500;
/** That and all that is loaded on demand. */
const LARGEST_SUM_BYTES = 109_500;

const page = mkdtempSync(join(tmpdir(), 'gradcam-page-'));
beforeAll(ensureFreshBuild);
afterAll(() => rmSync(page, { recursive: true }));

it('the core, in the page of an embedder, is no larger than it was', async () => {
  const core = JSON.stringify(join(ROOT, 'dist/index.js'));
  const main = join(page, 'main.js');
  writeFileSync(
    main,
    `import { explain, Gpu, loadModel } from ${core};\nObject.assign(window, { explain, Gpu, loadModel });`,
  );
  const output = await build({
    configFile: false,
    root: page,
    logLevel: 'error',
    build: { write: false, minify: true, modulePreload: false, rollupOptions: { input: main } },
  });
  const chunks = (output as Rolldown.RolldownOutput).output.filter((file) => file.type === 'chunk');
  const gzipped = chunks.map(({ code }) => gzipSync(code, { level: 9 }).length);
  const own = chunks.flatMap(({ isEntry, imports }) => (isEntry ? imports : []));
  const isOwn = ({ isEntry, fileName }: (typeof chunks)[number]) => isEntry || own.includes(fileName);
  const ownModule = gzipped.reduce((sum, bytes, i) => sum + (isOwn(chunks[i]!) ? bytes : 0), 0);
  expect(ownModule).toBeLessThanOrEqual(LARGEST_MODULE_BYTES);
  expect(gzipped.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(LARGEST_SUM_BYTES);
});

it('has every kernel without its comments, and the same in every build', () => {
  const built = filesBelow('dist', '.js').map((file) => readFileSync(join(ROOT, file), 'utf8'));
  for (const file of filesBelow('shaders', '.wgsl')) {
    const stripped = stripWgsl(readFileSync(join(ROOT, file), 'utf8'));
    const text = JSON.stringify(stripped).slice(1, -1);
    expect(stripped).not.toMatch(/\/\/|^\s|\n\n/m);
    expect(
      built.some((code) => code.includes(text)),
      file,
    ).toBe(true);
  }
});
