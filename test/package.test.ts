/** What users install: its files, its entries, its types, and that the core needs nothing of Node. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as core from '../src/index.ts';
import { encodePng } from '../src/node/image.ts';
import type { ExplainOptions } from '../src/options.ts';
import { resolveOptions } from '../src/resolve-options.ts';
import { drawScene } from '../src/scenes/scene.ts';
import { ensureFreshBuild } from './harness/build.ts';
import { filesBelow, importGraph, ROOT, reachableFrom } from './harness/modules.ts';

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** A project that has installed the package and what it depends on, and nothing else. */
const consumer = mkdtempSync(join(tmpdir(), 'gradcam-consumer-'));
const installed = join(consumer, 'node_modules', manifest.name);
let packed: string[];

beforeAll(() => {
  ensureFreshBuild();
  const options = ['--ignore-scripts', '--json', '--pack-destination', consumer];
  const [tarball] = JSON.parse(execFileSync('npm', ['pack', ...options], { cwd: ROOT, encoding: 'utf8', shell: true }));
  packed = tarball.files.map(({ path }: { path: string }) => path);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(consumer, tarball.filename), '-C', installed, '--strip-components=1']);
  for (const name of Object.keys(manifest.dependencies)) {
    const link = join(consumer, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
});
afterAll(() => rmSync(consumer, { recursive: true }));

/** Runs a module of the consumer's; what it prints is JSON. */
async function runModule(code: string): Promise<unknown> {
  const file = join(consumer, 'run.js');
  writeFileSync(file, code);
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file], { cwd: consumer }, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout)),
    );
  });
}

/** The compiler's complaints about a module of the consumer's. */
async function typeErrors(code: string, options: Record<string, unknown>): Promise<string[]> {
  const common = {
    noEmit: true,
    strict: true,
    target: 'es2023',
    types: [],
    lib: ['es2023', 'dom', 'esnext.disposable'],
  };
  writeFileSync(join(consumer, 'use.ts'), code);
  writeFileSync(
    join(consumer, 'tsconfig.json'),
    JSON.stringify({ files: ['use.ts'], compilerOptions: { ...common, ...options } }),
  );
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, '--project', consumer], (_, stdout) =>
      resolve(stdout.split('\n').filter((line) => line !== '')),
    );
  });
}

/** `*` stands for any text, as in package.json's exports. */
function matchesGlob(path: string, pattern: string): boolean {
  const [start, end] = pattern.split('*');
  return end === undefined ? path === pattern : path.startsWith(start) && path.endsWith(end);
}

describe('the packed files', () => {
  it('are the programs, the build, the shaders and what everyone should read', () => {
    const folders = new Set(packed.map((path) => path.split('/')[0]));
    expect([...folders].sort()).toEqual([
      'LICENSE',
      'README.md',
      'bin',
      'dist',
      'docs',
      'models',
      'package.json',
      'shaders',
    ]);
    expect(packed.filter((path) => /\.test\.|\.safetensors$|\.npy$/.test(path))).toEqual([
      'models/vgg16-scenes.safetensors',
    ]);
  });

  it('hold every entry that package.json names', () => {
    const targets = [manifest.bin, manifest.exports, manifest.main, manifest.types, manifest.alias].flatMap(
      function leaves(value): string[] {
        return typeof value === 'string' ? [value] : Object.values(value).flatMap(leaves);
      },
    );
    expect(targets.length).toBeGreaterThanOrEqual(10);
    const isPacked = (target: string) => packed.some((path) => matchesGlob(path, target.replace(/^\.\//, '')));
    expect(targets.filter((target) => !isPacked(target))).toEqual([]);
  });

  it('hold everything that their pages link to', () => {
    const pages = packed.filter((path) => path.endsWith('.md'));
    expect(pages).toContain('README.md');
    const links = pages.flatMap((page) => {
      const targets = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\(([^)#\s]+)/g)].map(
        ([, target]) => target!,
      );
      return targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => join(dirname(page), target));
    });
    expect(links).toContain('docs/metrics.md');
    expect(links.filter((path) => !packed.includes(path))).toEqual([]);
  });

  it('hold every shader', () => {
    expect(packed.filter((path) => path.startsWith('shaders/')).sort()).toEqual(filesBelow('shaders', '.wgsl'));
  });
});

describe('the README', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

  it('names every option of explain()', () => {
    const anyModel = {} as Parameters<typeof resolveOptions>[1];
    const call = () => resolveOptions({ unknown: 1 } as ExplainOptions, anyModel);
    const names = /explain\(\) takes (.*)$/.exec(messageOf(call))![1]!.split(', ');
    expect(names).toContain('nSamples');
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });

  it('names every error', () => {
    const names = Object.keys(core).filter((name) => name.endsWith('Error'));
    expect(names.length).toBeGreaterThan(9);
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });

  it('names every environment variable', () => {
    const sources = filesBelow('src', '.ts').map((file) => readFileSync(join(ROOT, file), 'utf8'));
    const names = new Set(sources.flatMap((source) => source.match(/\bGRADCAM_[A-Z]+/g) ?? []));
    expect(names.size).toBeGreaterThan(3);
    expect([...names].filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the call threw nothing');
}

describe('the core', () => {
  it('imports nothing from outside the package, Node and Dawn included', () => {
    const reached = reachableFrom('dist/index.js', importGraph(filesBelow('dist', '.js')));
    expect(reached.filter((module) => !module.startsWith('dist/'))).toEqual([]);
  });

  it('is bundled by Vite with the built-in model, as the README shows it', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const address = /^import weights from .*$/m.exec(readme)![0];
    writeFileSync(
      join(consumer, 'page.js'),
      `import { loadModel } from '${manifest.name}';\n${address}\nwindow.load = (gpu) => loadModel(gpu, 'vgg16-scenes', { weights });`,
    );
    const built = await build({
      configFile: false,
      root: consumer,
      logLevel: 'error',
      build: { write: false, rollupOptions: { input: join(consumer, 'page.js') } },
    });
    const { output } = built as Rolldown.RolldownOutput;
    const asset = output.find(({ fileName }) => fileName.endsWith('.safetensors'));
    const weights = readFileSync(join(ROOT, 'models/vgg16-scenes.safetensors'));
    expect(asset?.type === 'asset' && weights.equals(asset.source as Uint8Array)).toBe(true);
    expect(output.some((file) => file.type === 'chunk' && file.code.includes(asset!.fileName))).toBe(true);
  });

  it('exports what its source exports', async () => {
    const names = await runModule(
      `import * as core from '${manifest.name}'; console.log(JSON.stringify(Object.keys(core)));`,
    );
    expect(names).toEqual(Object.keys(core).sort());
  });

  it('loads where there is no WebGPU, and says so when asked for it', async () => {
    const code = `import { Gpu } from '${manifest.name}';
      await Gpu.request().catch((error) => console.log(JSON.stringify([error.name, error.message])));`;
    const [name, message] = (await runModule(code)) as string[];
    expect(name).toBe('GpuUnavailableError');
    expect(message).toContain('gradcam-webgpu/node');
  });
});

it('adds to the core for Node what its source adds', async () => {
  const names = await runModule(
    `import * as node from '${manifest.name}/node'; console.log(JSON.stringify(Object.keys(node)));`,
  );
  const source = readFileSync(join(ROOT, 'src/node.ts'), 'utf8');
  expect(names).toContain('requestNodeGpu');
  expect((names as string[]).filter((name) => !source.includes(name))).toEqual([]);
});

describe('the element', () => {
  it('and its worker import nothing from outside the package', () => {
    const graph = importGraph(filesBelow('dist', '.js'));
    const reached = ['dist/element.js', 'dist/element-worker.js'].flatMap((entry) => reachableFrom(entry, graph));
    expect(reached.length).toBeGreaterThan(4);
    expect(reached.filter((module) => !module.startsWith('dist/'))).toEqual([]);
    const whole = 'dist/element-worker.whole.js';
    expect(reachableFrom(whole, graph).filter((module) => module !== whole)).toEqual([]);
  });

  it('can be imported where there is no page, as servers do that render some', async () => {
    const code = `import * as element from '${manifest.name}/element'; console.log(JSON.stringify(Object.keys(element)));`;
    expect(await runModule(code)).toEqual(['Engine', 'EngineError', 'GradcamView', 'RemoteExplanation']);
  });

  it('is no side effect that a bundler may leave out', () => {
    const built = ['./dist/element.js', './dist/element-worker.js', './dist/element-worker.whole.js'];
    expect(manifest.sideEffects).toEqual(expect.arrayContaining(built));
    expect(Object.values(manifest.exports)).toEqual(expect.arrayContaining(built.slice(1)));
  });
});

describe('a program in Node', () => {
  // Dawn's threads would keep the process alive for a while.
  const end = 'process.exit();';
  const printed = (value: string) => `console.log(JSON.stringify(${value}));`;

  it('is what the README shows', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const code = /```ts\n(import [^`]*gradcam-webgpu\/node[^`]*)```/.exec(readme)![1];
    const scene = drawScene(4, { instances: 3, secondClass: true });
    writeFileSync(join(consumer, 'photo.jpg'), await encodePng(scene));
    const outcome = await runModule(`${code}${printed('[result.outcome, result.classIndex, model.labels]')}${end}`);
    expect(outcome).toEqual(['ok', scene.classIndex, core.SCENE_CLASSES]);
  });

  it('is the tool of docs/custom-tools.md', async () => {
    const page = readFileSync(join(ROOT, 'docs/custom-tools.md'), 'utf8');
    const code = /```ts\n(.*?)```/s.exec(page)![1]!;
    expect(code.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(30);
    writeFileSync(join(consumer, 'photo.jpg'), await encodePng(drawScene(4, { instances: 3, secondClass: true })));
    const lines = `const lines = []; console.log = (line) => lines.push(line);`;
    const found = await runModule(`${lines}${code}process.stdout.write(JSON.stringify(lines));${end}`);
    expect(found).toEqual([
      expect.stringMatching(/^block4_conv3: map \d+ adds \d+\.\d+, most at row \d+ of 28, ok$/),
      expect.stringMatching(/^block5_conv3: map \d+ adds \d+\.\d+, most at row \d+ of 14, ok$/),
    ]);
  });

  it('that takes the core’s loadModel for files is told where the other one is', async () => {
    const code = `
      import { loadModel } from '${manifest.name}';
      import { requestNodeGpu } from '${manifest.name}/node';
      const gpu = await requestNodeGpu();
      const failure = (options) => loadModel(gpu, 'vgg16-scenes', options).catch(({ name, message }) => [name, message]);
      const failures = [await failure(), await failure({ weights: 'vgg.safetensors' })];
      ${printed('failures')}${end}`;
    for (const [name, message] of (await runModule(code)) as string[][]) {
      expect(name).toBe('WeightsError');
      expect(message).toMatch(/in Node, take loadModel from 'gradcam-webgpu\/node'/);
    }
  });
});

describe('the types', () => {
  it('of the core stand alone', async () => {
    const code = `
      import { explain, Gpu, loadModel, type Explanation, type ExplainOptions } from '${manifest.name}';
      const options: ExplainOptions = { method: 'smooth-grad-cam++', nSamples: 5 };
      export async function heatMap(device: GPUDevice): Promise<Float32Array> {
        const gpu = Gpu.fromDevice(device);
        const bytes: number = gpu.limits.maxBufferSize;
        const model = await loadModel(gpu, 'vgg16');
        const pixels = { data: new Uint8ClampedArray(bytes), width: 1, height: 1 };
        const result: Explanation = await explain(model, pixels, options);
        return result.map.data;
      }
      // @ts-expect-error: no such method
      export const wrongMethod: ExplainOptions = { method: 'gradcam' };
      // @ts-expect-error: a device is a GPUDevice
      export const wrongDevice = Gpu.fromDevice({ limits: 7 });`;
    const nodeNext = { module: 'nodenext', moduleResolution: 'nodenext' };
    expect(await typeErrors(code, { ...nodeNext, skipLibCheck: false })).toEqual([]);
  });

  it('of the element stand alone, and tell the page of it', async () => {
    const code = `
      import { Engine, type RemoteExplanation, type ViewProgress } from '${manifest.name}/element';
      const view = document.createElement('gradcam-view');
      view.samples = 8;
      view.options = { alphaNumerator: 'first' };
      view.addEventListener('step', ({ detail }) => detail.samples + 1);
      view.addEventListener('result', ({ detail }) => detail.combine({ filters: [1] }));
      view.addEventListener('click', ({ clientX }) => clientX);
      const onProgress = ({ detail }: CustomEvent<ViewProgress>) => detail.done / detail.total;
      view.addEventListener('progress', onProgress);
      view.removeEventListener('progress', onProgress);
      // @ts-expect-error: a number
      view.opacity = 'half';
      export async function heatMap(file: File): Promise<RemoteExplanation> {
        const model = await Engine.shared().load({ model: 'vgg16' });
        const found = await Engine.shared().explain(model, file, { nSamples: 5 }, { onStep: ({ map }) => map.data });
        const maps: Float32Array = found.map.data;
        return maps.length > 0 ? found : view.explain();
      }`;
    const nodeNext = { module: 'nodenext', moduleResolution: 'nodenext' };
    expect(await typeErrors(code, { ...nodeNext, skipLibCheck: false })).toEqual([]);
  });

  it('of the Node entry are found by a bundler', async () => {
    const code = `
      import type { Gpu } from '${manifest.name}';
      import * as core from '${manifest.name}';
      import { loadModel, requestNodeGpu } from '${manifest.name}/node';
      export const gpu: Promise<Gpu> = requestNodeGpu({ adapter: 'llvmpipe' });
      export const sameCall: typeof core.loadModel = loadModel;
      // @ts-expect-error: not a string
      export const text: string = gpu;`;
    const bundler = { module: 'esnext', moduleResolution: 'bundler' };
    expect(await typeErrors(code, { ...bundler, skipLibCheck: true })).toEqual([]);
  });
});
