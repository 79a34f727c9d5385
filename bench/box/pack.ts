/** Packs the bench for a machine that has a GPU and nothing else: build/gpu-box, which run.sh starts. */
import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { pack as packTar } from 'tar-fs';
import { build } from 'vite';
import { packagedArchive } from '../../src/node/adapters.ts';
import { commit, versionsDefinition } from '../node/versions.ts';
import { nodeNotice, packageFolders, packageNotice } from './licences.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const stage = join(root, 'build/gpu-box-runtime');
const box = join(root, 'build/gpu-box');
/** So that it can be sent along. */
const LARGEST_BOX_BYTES = 50e6;

export interface PackedBox {
  readonly folder: string;
  readonly bytes: number;
}

/** @throws Error where this machine's Node cannot be packed, or the box becomes too large */
export async function packBox(): Promise<PackedBox> {
  if (process.platform !== 'linux')
    throw new Error(`the box is for Linux and packs the Node that packs it: not on ${process.platform}`);
  await emptyFolder(stage);
  await emptyFolder(box);

  const modules = await bundle();
  await packNode();
  const folders = [...packageFolders(modules), await packDawn(), ...(await packSwiftShader())];
  await writeFile(join(stage, 'package.json'), '{ "type": "module" }\n');
  await compress();
  await rm(stage, { recursive: true });

  for (const name of ['run.sh', 'torch_task.py', 'README.md']) await copyFile(join(here, name), join(box, name));
  await copyFile(join(root, 'LICENSE'), join(box, 'LICENSE'));
  const notices = [nodeNotice(), ...[...new Set(folders)].sort().map(packageNotice)];
  await writeFile(join(box, 'LICENSES-OF-OTHERS.txt'), notices.join('\n'));
  await writeFile(join(box, 'VERSION'), await version());

  const bytes = await folderBytes(box);
  if (bytes > LARGEST_BOX_BYTES) {
    throw new Error(
      `the box has ${(bytes / 1e6).toFixed(1)} MB; allowed are ${LARGEST_BOX_BYTES / 1e6}. Is strip installed?`,
    );
  }
  return { folder: box, bytes };
}

async function emptyFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

/** Bench and launcher as ES modules, with shaders and peers in them; what is native code stays outside. */
async function bundle(): Promise<string[]> {
  const modules: string[] = [];
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    define: versionsDefinition(),
    ssr: { noExternal: true, external: ['webgpu'] },
    build: {
      ssr: true,
      outDir: join(stage, 'bench'),
      target: 'node20',
      // Errors name functions.
      minify: false,
      rollupOptions: { input: { launch: join(here, 'launch.ts'), bench: join(root, 'bench/main.ts') } },
    },
    plugins: [
      {
        name: 'list of modules',
        generateBundle(_, chunks) {
          for (const chunk of Object.values(chunks)) if (chunk.type === 'chunk') modules.push(...chunk.moduleIds);
        },
      },
    ],
  });
  return modules;
}

/** The Node that runs this. */
async function packNode(): Promise<void> {
  const node = join(stage, 'node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  strip(node);
}

/** Leaves out the names of functions for debuggers, an eighth of Node. The box is only larger where strip is missing. */
function strip(file: string): void {
  try {
    execFileSync('strip', ['--strip-unneeded', file], { stdio: 'ignore' });
  } catch {
    console.warn(`strip does not work here: ${file} stays as it is`);
  }
}

/** npm `webgpu` without the other platforms' libraries. @returns the package's folder */
async function packDawn(): Promise<string> {
  const folder = dirname(createRequire(import.meta.url).resolve('webgpu'));
  const library = `dist/${process.platform}-${process.arch}/dawn.node`;
  const target = join(stage, 'node_modules/webgpu');
  await copyFiles(folder, target, ['package.json', 'index.js', library]);
  strip(join(target, library));
  return folder;
}

/** The archive with SwiftShader and a Vulkan loader, where its package is installed. @returns the package's folder */
async function packSwiftShader(): Promise<string[]> {
  const archive = packagedArchive('swiftshader');
  if (!archive) return [];
  const folder = join(dirname(archive.path), '..');
  // The entry of the package is what it is found by.
  await copyFiles(folder, join(stage, 'node_modules/@sparticuz/chromium'), [
    'package.json',
    'build/cjs/index.cjs',
    'bin/swiftshader.tar.br',
  ]);
  return [folder];
}

async function copyFiles(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) await cp(join(from, name), join(to, name));
}

/** gzip, because every machine can read it. */
async function compress(): Promise<void> {
  const file = createWriteStream(join(box, 'runtime.tar.gz'));
  await pipeline(packTar(stage), createGzip({ level: 9 }), file);
}

/** What was packed when, for whoever finds a box. */
async function version(): Promise<string> {
  const { name, version: own } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return `${name} ${own}, commit ${commit()}, ${process.platform} ${process.arch}, Node ${process.version}, packed ${new Date().toISOString()}\n`;
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}
