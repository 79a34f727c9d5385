/**
 * The Vulkan driver of the machine that the box stands on. In containers its parts are often there but not where the
 * Vulkan loader looks: the loader itself may be missing, NVIDIA's manifest may lie elsewhere or nowhere, and NVIDIA's
 * usual library needs X11's. So several ways to the driver are tried, the plainest first.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { GpuUnavailableError } from '../../src/errors.ts';
import { adapterKind, adapterTitle, type DriverEnvironment, vulkanDrivers } from '../../src/node/adapters.ts';
import type { AdapterReport } from '../../src/node/probe.ts';

/** What a machine has of Vulkan. */
export interface Machine {
  /** The Vulkan loader's path, if there is one. */
  readonly loader: string | undefined;
  /** A loader that the box brings along, if it does. */
  readonly packedLoader: string | undefined;
  /** Manifests in the folders where the loader looks. */
  readonly manifests: readonly string[];
  /** Manifests in other folders. */
  readonly strayManifests: readonly string[];
  /** NVIDIA's libraries that hold a Vulkan driver. */
  readonly nvidiaLibraries: readonly string[];
  /** Folders that the dynamic linker searches anyway. */
  readonly libraryFolders: readonly string[];
  /** LD_LIBRARY_PATH. */
  readonly libraryPath: string | undefined;
}

/** One way to a driver. */
export interface Attempt {
  /** For people: 'the installed drivers'. */
  readonly name: string;
  readonly environment: DriverEnvironment;
}

export const LOADER = 'libvulkan.so.1';
/** The second serves where X11's libraries, which the first is linked with, are missing. */
const NVIDIA_LIBRARIES = ['libGLX_nvidia.so.0', 'libEGL_nvidia.so.0'];
/** Where containers have NVIDIA's files, apart from the system's folders. */
const STRAY_MANIFEST_FOLDERS = ['/usr/local/nvidia/share/vulkan/icd.d', '/usr/local/nvidia/vulkan/icd.d'];
const STRAY_LIBRARY_FOLDERS = [
  '/usr/local/nvidia/lib64',
  '/usr/local/nvidia/lib',
  '/usr/lib/x86_64-linux-gnu/nvidia/current',
];
const SYSTEM_LIBRARY_FOLDERS = [
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib64',
  '/usr/lib64',
  '/usr/lib',
];

/**
 * Ways to a driver, the plainest first. Plain decision, no side effect.
 *
 * @param manifestOf names the manifest for a driver's library, which is made only when the attempt is
 */
export function attempts(machine: Machine, manifestOf: (library: string) => string): Attempt[] {
  const loader = machine.loader ?? machine.packedLoader;
  if (loader === undefined) return [];
  const through = machine.loader === undefined ? ' through the Vulkan loader of the box' : '';
  const attempt = (name: string, manifest?: string, library?: string): Attempt => ({
    name: `${name}${through}`,
    environment: {
      ...searchPath(machine, library === undefined ? [loader] : [loader, library]),
      // The loader's variable has a newer name that wins over the older one, which older loaders alone know.
      ...(manifest === undefined ? {} : { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest }),
    },
  });
  return [
    ...(machine.manifests.length > 0 ? [attempt('the installed drivers')] : []),
    // A manifest names its library without a folder: NVIDIA's are beside each other.
    ...machine.strayManifests.map((manifest) => attempt(manifest, manifest, machine.nvidiaLibraries[0])),
    ...machine.nvidiaLibraries.map((library) => attempt(library, manifestOf(library), library)),
  ];
}

/** LD_LIBRARY_PATH with the folders of these libraries, where the linker would not find them. */
function searchPath({ libraryFolders, libraryPath }: Machine, libraries: readonly string[]): DriverEnvironment {
  const folders = [...new Set(libraries.map(dirname))].filter((folder) => !libraryFolders.includes(folder));
  if (folders.length === 0) return {};
  return { LD_LIBRARY_PATH: [libraryPath, ...folders].filter(Boolean).join(delimiter) };
}

/** A Vulkan manifest for a library that has none. */
export function manifestFor(library: string): string {
  return JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.3.0' } });
}

/** @param packedLoader as in Machine */
export function inspectMachine(packedLoader: string | undefined, env: NodeJS.ProcessEnv = process.env): Machine {
  const libraryPath = env.LD_LIBRARY_PATH || undefined;
  const named = libraryPath?.split(delimiter).filter(Boolean) ?? [];
  const cached = linkerCache();
  const libraryFolders = [...new Set([...named, ...cached.map(dirname), ...SYSTEM_LIBRARY_FOLDERS])];
  const find = (name: string) =>
    [...libraryFolders, ...STRAY_LIBRARY_FOLDERS].map((folder) => join(folder, name)).find((path) => existsSync(path));
  return {
    loader: find(LOADER),
    packedLoader,
    manifests: vulkanDrivers(env),
    strayManifests: STRAY_MANIFEST_FOLDERS.flatMap(manifestsIn),
    nvidiaLibraries: NVIDIA_LIBRARIES.flatMap((name) => find(name) ?? []),
    libraryFolders,
    libraryPath,
  };
}

/** Paths of the libraries that the dynamic linker knows; none where it cannot be asked. */
function linkerCache(): string[] {
  const path = [process.env.PATH, '/sbin', '/usr/sbin'].filter(Boolean).join(delimiter);
  const { stdout } = spawnSync('ldconfig', ['-p'], { env: { ...process.env, PATH: path }, encoding: 'utf8' });
  return [...(stdout ?? '').matchAll(/=> (\/.*)$/gm)].map((match) => match[1]!);
}

function manifestsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => join(folder, name));
}

/**
 * The first way that leads to a GPU.
 *
 * @param folder where manifests are written
 * @param probe as probeAdapters(): the adapters seen in an environment, first the one that Dawn takes, which is a discrete
 * GPU where there are several
 * @throws GpuUnavailableError saying what was looked for and found
 */
export async function findGpu(
  machine: Machine,
  folder: string,
  probe: (environment: DriverEnvironment) => Promise<readonly AdapterReport[]>,
): Promise<Attempt & { adapter: AdapterReport }> {
  const manifestOf = (library: string) => join(folder, `${library.split('/').at(-1)}.json`);
  mkdirSync(folder, { recursive: true });
  for (const library of machine.nvidiaLibraries) writeFileSync(manifestOf(library), manifestFor(library));

  const seen: string[] = [];
  for (const attempt of attempts(machine, manifestOf)) {
    const [adapter] = await probe(attempt.environment);
    if (adapter && adapterKind(adapter) === 'gpu') return { ...attempt, adapter };
    seen.push(`with ${attempt.name}: ${adapter ? `only ${adapterTitle(adapter)}` : 'no adapter'}`);
  }
  throw new GpuUnavailableError(describeFailure(machine, seen));
}

/** What is missing, and what to do about it. */
export function describeFailure(machine: Machine, seen: readonly string[]): string {
  const found = (what: string, files: readonly string[]) => `  ${what}: ${files.join(', ') || 'none'}`;
  const loaders = [machine.loader, machine.packedLoader].flatMap((file) => file ?? []);
  return [
    'no GPU was found.',
    found(`Vulkan loader (${LOADER})`, loaders),
    found('driver manifests', [...machine.manifests, ...machine.strayManifests]),
    found("NVIDIA's Vulkan libraries", machine.nvidiaLibraries),
    ...seen.map((line) => `  ${line}`),
    loaders.length === 0
      ? 'Install the Vulkan loader: the package is libvulkan1 or vulkan-loader.'
      : "Install the Vulkan part of the GPU's driver. A container gets NVIDIA's if it is started with " +
        'NVIDIA_DRIVER_CAPABILITIES=all (or compute,utility,graphics).',
    'To measure a software adapter instead, which takes hours: GRADCAM_TEST_ADAPTER=lavapipe or swiftshader.',
  ].join('\n');
}
