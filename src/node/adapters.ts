/**
 * Which adapter to use in Node, and the environment that makes a driver visible.
 *
 * Dawn reaches its adapters through the Vulkan loader, which reads LD_LIBRARY_PATH and VK_ICD_FILENAMES. The first is
 * read by the dynamic linker when a process starts, so a driver can only be brought into play by starting a process:
 * what is here describes environments, and decides from what was found in them.
 */
import { randomUUID } from 'node:crypto';
import { constants, createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { access, lstat, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir, userInfo } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';
import { describeValue, GpuUnavailableError } from '../errors.ts';
import type { AdapterInfo } from '../gpu/gpu.ts';
import { cacheFolder } from './cache-folder.ts';
import { type AdapterReport, probeAdapters } from './probe.ts';

/** Sorts of adapter, the best first. */
export const ADAPTER_KINDS = ['gpu', 'lavapipe', 'swiftshader', 'software'] as const;
export type AdapterKind = (typeof ADAPTER_KINDS)[number];

export function adapterKind(adapter: AdapterInfo): AdapterKind {
  const text = searchText(adapter);
  if (text.includes('swiftshader')) return 'swiftshader';
  if (text.includes('llvmpipe')) return 'lavapipe';
  return adapter.isFallback ? 'software' : 'gpu';
}

/** Whether `wanted` occurs, in any case, in what the adapter says of itself. 'lavapipe' finds llvmpipe, its device's name. */
export function matchesAdapter(adapter: AdapterInfo, wanted: string): boolean {
  return searchText(adapter).includes(wanted.trim().toLowerCase());
}

function searchText(adapter: AdapterInfo): string {
  const text = `${adapter.vendor} ${adapter.architecture} ${adapter.device} ${adapter.description}`.toLowerCase();
  return text.includes('llvmpipe') ? `${text} lavapipe` : text;
}

/** One line for people: 'llvmpipe: Mesa 25.0.7 (mesa software)'. */
export function adapterTitle(adapter: AdapterInfo): string {
  const family = [adapter.vendor, adapter.architecture].filter(Boolean).join(' ');
  const name = adapter.description || adapter.device || 'unnamed adapter';
  return family ? `${name} (${family})` : name;
}

/** What the packaged SwiftShader says of itself, to match a wish for it before it is started. */
const SWIFTSHADER: AdapterInfo = {
  vendor: 'google',
  architecture: 'swiftshader',
  device: 'swiftshader-device-subzero-',
  description: 'SwiftShader driver',
  isFallback: true,
};

export interface AdapterSituation {
  /** Adapters that Dawn sees in this process. */
  readonly found: readonly AdapterInfo[];
  /** Text that the adapter must match; undefined takes the best. */
  readonly wanted: string | undefined;
  /** Whether a process could be started with the packaged SwiftShader: no if this is one, or the package is absent. */
  readonly canAddSwiftShader: boolean;
  /** The user's own choice of Vulkan drivers, which is not overruled unless an adapter is asked for by name. */
  readonly userDrivers: string | undefined;
}

export type AdapterPlan =
  | { readonly do: 'use'; readonly index: number }
  | { readonly do: 'restart-with-swiftshader' }
  | { readonly do: 'fail'; readonly message: string };

/** Chooses from what was found: a real GPU, then lavapipe, then the packaged SwiftShader. Plain decision, no side effect. */
export function planAdapter(situation: AdapterSituation): AdapterPlan {
  const { found, wanted, canAddSwiftShader, userDrivers } = situation;
  const candidates = found
    .map((adapter, index) => ({ adapter, index, rank: ADAPTER_KINDS.indexOf(adapterKind(adapter)) }))
    .filter(({ adapter }) => wanted === undefined || matchesAdapter(adapter, wanted))
    .sort((a, b) => a.rank - b.rank || a.index - b.index);
  if (candidates[0]) return { do: 'use', index: candidates[0].index };

  const mayAdd = wanted === undefined ? !userDrivers : matchesAdapter(SWIFTSHADER, wanted);
  if (canAddSwiftShader && mayAdd) return { do: 'restart-with-swiftshader' };

  const seen = found.map(adapterTitle);
  if (canAddSwiftShader) seen.push('the packaged SwiftShader (ask for "swiftshader")');
  const listed = seen.length > 0 ? seen.join('; ') : 'none';
  if (wanted !== undefined) {
    return { do: 'fail', message: `no adapter matches ${describeValue(wanted)}; found: ${listed}` };
  }
  const cause = userDrivers
    ? `VK_ICD_FILENAMES is set to ${describeValue(userDrivers)}, where Dawn finds no adapter that it can use; unset it`
    : 'Dawn finds no adapter that it can use: install a Vulkan driver (Mesa 25 or later has lavapipe for the CPU)';
  return { do: 'fail', message: `${cause}; found: ${listed}. "gradcam doctor" says more` };
}

/** Archives of @sparticuz/chromium: SwiftShader's Vulkan driver and loader, and the libraries that Chromium asks for. */
export type PackagedArchive = 'swiftshader' | 'al2023';

/** Where the archive is, or undefined if the package is not installed or its programs do not run on this machine. */
export function packagedArchive(name: PackagedArchive): { path: string; version: string } | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  } catch {
    return undefined;
  }
  const root = join(dirname(entry), '..', '..');
  const path = join(root, 'bin', `${name}.tar.br`);
  if (!existsSync(path)) return undefined;
  return { path, version: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version };
}

/**
 * Unpacks an archive of @sparticuz/chromium, once: the folder is kept in the cache and only ever appears complete, so
 * that any number of processes may call this at the same time.
 *
 * @returns the folder with the archive's files.
 * @throws GpuUnavailableError if the package is absent or cannot be unpacked.
 */
export async function unpackPackaged(name: PackagedArchive): Promise<string> {
  const archive = packagedArchive(name);
  if (!archive) {
    throw new GpuUnavailableError(
      `the package @sparticuz/chromium, which carries ${name}, is not installed or does not run on ` +
        `${process.platform} ${process.arch}; it is an optional dependency for Linux on x64`,
    );
  }
  const parent = await unpackingFolder();
  const folder = join(parent, `${name}-${archive.version}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${randomUUID()}.partial`;
  try {
    await pipeline(createReadStream(archive.path), createBrotliDecompress(), extract(partial));
    await rename(partial, folder);
  } catch (cause) {
    // The rename fails if another process was faster; its folder holds the same files.
    if (!existsSync(folder)) {
      throw new GpuUnavailableError(`cannot unpack ${archive.path} to ${folder}: ${(cause as Error).message}`, {
        cause,
      });
    }
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}

/**
 * The cache, or where that cannot be written a folder in the system's temporary one. Libraries are loaded from it, so
 * that one must be ours alone: another user could have made it first.
 */
async function unpackingFolder(): Promise<string> {
  const cached = join(cacheFolder(), 'drivers');
  try {
    await mkdir(cached, { recursive: true });
    await access(cached, constants.W_OK);
    return cached;
  } catch {
    const { uid } = userInfo();
    const temporary = join(tmpdir(), `gradcam-webgpu-${uid}`);
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    const found = await lstat(temporary);
    if (found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0) return temporary;
    throw new GpuUnavailableError(
      `cannot write ${cached}, and ${temporary} is open to other users; set GRADCAM_CACHE to a folder of your own`,
    );
  }
}

/** Environment variables to add for a process to see one driver and no other. */
export type DriverEnvironment = Readonly<Record<string, string>>;

/** Environment in which Dawn (and Deno's wgpu) uses the packaged SwiftShader; its own Vulkan loader comes with it. */
export async function swiftShaderEnvironment(): Promise<DriverEnvironment> {
  const folder = await unpackPackaged('swiftshader');
  const libraries = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return { LD_LIBRARY_PATH: libraries, ...onlyDrivers([join(folder, 'vk_swiftshader_icd.json')]) };
}

/** Environment in which only Mesa's lavapipe is used, or undefined if it is not installed. */
export function lavapipeEnvironment(): DriverEnvironment | undefined {
  const files = installedVulkanDrivers().filter((file) => /[\\/]lvp_icd[^\\/]*\.json$/.test(file));
  return files.length > 0 ? onlyDrivers(files) : undefined;
}

/** The Vulkan loader's variable has a newer name that wins over the older one, which older loaders alone know. */
function onlyDrivers(files: readonly string[]): DriverEnvironment {
  return { VK_ICD_FILENAMES: files.join(delimiter), VK_DRIVER_FILES: files.join(delimiter) };
}

/** The drivers that the user chose for this process, if any. */
export function userDrivers(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES || undefined;
}

/** Manifests of the Vulkan drivers that this process may use, on Linux: the user's choice, or those installed. */
export function vulkanDrivers(env: NodeJS.ProcessEnv = process.env): string[] {
  const chosen = userDrivers(env);
  const added = (env.VK_ADD_DRIVER_FILES ?? '').split(delimiter);
  const named = chosen === undefined ? added : chosen.split(delimiter);
  const files = named.filter((file) => file && existsSync(file));
  return chosen === undefined ? [...files, ...installedVulkanDrivers(env)] : files;
}

/**
 * Manifests of the Vulkan drivers installed on this machine, in the folders where the Vulkan loader looks on Linux:
 * https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md
 */
export function installedVulkanDrivers(env: NodeJS.ProcessEnv = process.env): string[] {
  const bases = [
    env.XDG_CONFIG_HOME || join(homedir(), '.config'),
    ...(env.XDG_CONFIG_DIRS || '/etc/xdg').split(delimiter),
    '/etc',
    env.XDG_DATA_HOME || join(homedir(), '.local', 'share'),
    ...(env.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(delimiter),
  ];
  const folders = [...new Set(bases)].map((base) => join(base, 'vulkan', 'icd.d'));
  return folders.flatMap((folder) => {
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return names.sort().map((name) => join(folder, name));
  });
}

/**
 * Environment that keeps Mesa from complaining on standard error where XDG_RUNTIME_DIR is not set, as in containers. A
 * program may also set it for itself before it asks for an adapter.
 */
export function quietEnvironment(env: NodeJS.ProcessEnv = process.env): DriverEnvironment {
  return process.platform === 'linux' && !env.XDG_RUNTIME_DIR ? { XDG_RUNTIME_DIR: tmpdir() } : {};
}

export const DRIVER_CHOICES = ['auto', 'native', 'lavapipe', 'swiftshader'] as const;
export type DriverChoice = (typeof DRIVER_CHOICES)[number];

/** What there is to choose from: the environments, and the way to try one out. */
export interface DriverSources {
  readonly probe: (environment: DriverEnvironment) => Promise<readonly AdapterReport[]>;
  readonly lavapipe: () => DriverEnvironment | undefined;
  readonly swiftShader: () => Promise<DriverEnvironment>;
  readonly userDrivers: string | undefined;
}

/**
 * The environment for a whole process, its children included (the tests use it): 'native' takes the machine's own
 * drivers as they are; 'auto' a real GPU, then lavapipe, then the packaged SwiftShader, or the drivers that the user
 * named in VK_ICD_FILENAMES or VK_DRIVER_FILES.
 *
 * @throws GpuUnavailableError if the choice gives no adapter.
 */
export async function chooseDriver(
  choice: DriverChoice,
  sources: DriverSources = {
    probe: probeAdapters,
    lavapipe: lavapipeEnvironment,
    swiftShader: swiftShaderEnvironment,
    userDrivers: userDrivers(),
  },
): Promise<{ environment: DriverEnvironment; adapter: AdapterReport }> {
  const asItIs = async () => ({});
  const attempts: { environment: () => Promise<DriverEnvironment | undefined>; accept: readonly AdapterKind[] }[] = [];
  if (choice === 'native' || (choice === 'auto' && sources.userDrivers)) {
    attempts.push({ environment: asItIs, accept: ADAPTER_KINDS });
  } else {
    if (choice === 'auto') attempts.push({ environment: asItIs, accept: ['gpu', 'software'] });
    if (choice !== 'swiftshader') attempts.push({ environment: async () => sources.lavapipe(), accept: ['lavapipe'] });
    if (choice !== 'lavapipe') attempts.push({ environment: sources.swiftShader, accept: ['swiftshader'] });
  }
  for (const attempt of attempts) {
    const environment = await attempt.environment();
    // The first is the one that Dawn takes where nobody chooses, as in the tests.
    const adapter = environment && (await sources.probe(environment))[0];
    if (adapter && attempt.accept.includes(adapterKind(adapter))) return { environment, adapter };
  }
  const drivers = sources.userDrivers ? ` with the drivers ${sources.userDrivers} of VK_ICD_FILENAMES` : '';
  throw new GpuUnavailableError(
    `no adapter for ${describeValue(choice)}${drivers}: Dawn takes none. lavapipe must be of Mesa 25 or later; ` +
      'SwiftShader comes with the package @sparticuz/chromium on Linux x64',
  );
}
