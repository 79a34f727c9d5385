/** What a page downloads of the core. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build, type Plugin, type Rolldown } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KernelTraits } from '../src/gpu/gpu.ts';
import { loadTexts } from '../src/gpu/kernel.ts';
import { Graph } from '../src/network/graph.ts';
import { findModel, modelTable } from '../src/network/models.ts';
import { kernelQuestions } from '../src/network/steps.ts';
import { variantSources } from '../src/ops/conv2d.variants.ts';
import { stripWgsl } from '../tools/strip-wgsl.ts';
import { ensureFreshBuild } from './harness/build.ts';
import { filesBelow, ROOT } from './harness/modules.ts';
import { serveFolder } from './harness/static-server.ts';

/** Of a page that explains, as the README's ten lines do: its own module, which every map needs. */
const LARGEST_MODULE_BYTES = 57_200;
/** That and what the first map loads besides, on a GPU. */
const LARGEST_FIRST_MAP_BYTES = 60_000;
/** The same on adapters in software, which take several families of kernels. */
const LARGEST_FIRST_MAP_IN_SOFTWARE_BYTES = 63_500;
/** All that can be loaded. */
const LARGEST_SUM_BYTES = 114_500;

type Chunk = Rolldown.OutputChunk;

const page = mkdtempSync(join(tmpdir(), 'gradcam-page-'));
let chunks: Chunk[] = [];

const bytes = new Map<string, number>();

/** Takes the sizes, and has each chunk say when it runs. */
const weighed: Plugin = {
  name: 'weighed',
  generateBundle(_, files) {
    for (const chunk of Object.values(files)) {
      if (chunk.type !== 'chunk') continue;
      bytes.set(chunk.name, gzipSync(chunk.code, { level: 9 }).length);
      chunk.code = `globalThis.loadedChunks.push(${JSON.stringify(chunk.name)});${chunk.code}`;
    }
  },
};

beforeAll(async () => {
  ensureFreshBuild();
  const core = JSON.stringify(join(ROOT, 'dist/index.js'));
  const main = join(page, 'main.js');
  writeFileSync(
    main,
    `import { explain, Gpu, loadModel } from ${core};\nObject.assign(window, { explain, Gpu, loadModel });`,
  );
  writeFileSync(join(page, 'package.json'), '{ "type": "module" }');
  const output = await build({
    configFile: false,
    root: page,
    logLevel: 'error',
    plugins: [weighed],
    build: {
      outDir: 'built',
      minify: true,
      modulePreload: false,
      rollupOptions: { input: main, output: { entryFileNames: 'main.js' } },
    },
  });
  chunks = (output as Rolldown.RolldownOutput).output.filter((file) => file.type === 'chunk');
});
afterAll(() => rmSync(page, { recursive: true }));

const sumOf = (some: readonly Chunk[]) => some.reduce((sum, { name }) => sum + bytes.get(name)!, 0);

/** The chunks that hold the kernels of VGG-16's convolutions, for an explanation at its last one on such an adapter. */
async function convolutions(traits: KernelTraits): Promise<readonly Chunk[]> {
  const graph = new Graph(modelTable(findModel('vgg16')));
  const limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
  const request = { graph, convention: 'torch', target: graph.layer().name, traits, limits } as const;
  const questions = [0, 25].flatMap((samples) => kernelQuestions({ ...request, samples }));
  const sources = questions.flatMap(({ candidates: [first] }) => variantSources(first!, traits));
  const texts = (await Promise.all(sources.map(loadTexts))).flat();
  return chunks.filter((chunk) => isConvolution(chunk) && texts.some((text) => holds(chunk.code, text)));
}

const isConvolution = ({ name }: Chunk) => /implicit-gemm|winograd|broadcast|register-tile/.test(name);

/** Whether code that was built has a kernel, in quotes or, minified, in backticks. */
function holds(code: string, wgsl: string): boolean {
  const stripped = stripWgsl(wgsl);
  return code.includes(JSON.stringify(stripped).slice(1, -1)) || code.includes(stripped);
}

it('the core, in the page of an embedder, is no larger than it was', async () => {
  const server = await serveFolder(join(ROOT, 'models'));
  const args = [join(ROOT, 'test/harness/first-map.js'), join(page, 'built/main.js')];
  const weights = `${server.origin}vgg16-scenes.safetensors`;
  const { stdout } = await promisify(execFile)(process.execPath, [...args, weights]).finally(() => server.close());
  const loaded: string[] = JSON.parse(stdout.trim().split('\n').at(-1)!);
  const common = chunks.filter((chunk) => loaded.includes(chunk.name) && !isConvolution(chunk));
  const own = chunks.filter(({ isEntry, fileName }) => isEntry || chunks[0]!.imports.includes(fileName));
  expect(common).toEqual(expect.arrayContaining(own));
  const onAdapter = async (subgroupSize: number, isSoftware: boolean) =>
    sumOf([...common, ...(await convolutions({ subgroupSize, isSoftware }))]);
  const builtIn = sumOf(chunks.filter(({ name }) => loaded.includes(name)));
  const sizes = { module: sumOf(own), builtIn, gpu: await onAdapter(32, false), software: await onAdapter(8, true) };
  const withoutSubgroups = await onAdapter(0, true);
  expect(sizes.module).toBeLessThanOrEqual(LARGEST_MODULE_BYTES);
  expect(sizes.gpu).toBeLessThanOrEqual(LARGEST_FIRST_MAP_BYTES);
  for (const size of [builtIn, sizes.software, withoutSubgroups]) {
    expect(size).toBeLessThanOrEqual(LARGEST_FIRST_MAP_IN_SOFTWARE_BYTES);
  }
  expect(sumOf(chunks)).toBeLessThanOrEqual(LARGEST_SUM_BYTES);
});

it('has every kernel without its comments, and the same in every build', () => {
  const built = filesBelow('dist', '.js').map((file) => readFileSync(join(ROOT, file), 'utf8'));
  for (const file of filesBelow('shaders', '.wgsl')) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    expect(stripWgsl(text)).not.toMatch(/\/\/|^\s|\n\n/m);
    expect(
      built.some((code) => holds(code, text)),
      file,
    ).toBe(true);
  }
});
