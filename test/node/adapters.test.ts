import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AdapterInfo } from '../../src/gpu/gpu.ts';
import {
  adapterKind,
  chooseDriver,
  type DriverEnvironment,
  type DriverSources,
  matchesAdapter,
  packagedArchive,
  planAdapter,
  unpackPackaged,
} from '../../src/node/adapters.ts';
import { type AdapterReport, adapterNames, probeAdapters } from '../../src/node/probe.ts';

const GEFORCE: AdapterInfo = {
  vendor: 'nvidia',
  architecture: 'ampere',
  device: '0x2204',
  description: 'NVIDIA: 550.54',
  isFallback: false,
};
const LAVAPIPE: AdapterInfo = {
  vendor: 'mesa',
  architecture: 'software',
  device: 'llvmpipe-llvm-15-0-6-256-bits-',
  description: 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)',
  isFallback: true,
};
const SWIFTSHADER: AdapterInfo = {
  vendor: 'google',
  architecture: 'swiftshader',
  device: 'swiftshader-device-subzero-',
  description: 'SwiftShader driver 5.0.0',
  isFallback: true,
};
const WARP: AdapterInfo = {
  vendor: 'microsoft',
  architecture: '',
  device: '0x008c',
  description: 'Microsoft Basic Render Driver',
  isFallback: true,
};

const situation = { found: [], wanted: undefined, canAddSwiftShader: true, userDrivers: undefined };

describe('adapterKind', () => {
  it('tells real GPUs and software adapters apart', () => {
    expect([GEFORCE, LAVAPIPE, SWIFTSHADER, WARP].map(adapterKind)).toEqual([
      'gpu',
      'lavapipe',
      'swiftshader',
      'software',
    ]);
  });
});

describe('matchesAdapter', () => {
  it('finds text in any field, in any case', () => {
    for (const text of ['NVIDIA', 'Ampere', '0x2204', '550']) expect(matchesAdapter(GEFORCE, text)).toBe(true);
    expect(matchesAdapter(GEFORCE, 'turing')).toBe(false);
  });

  it("knows lavapipe by both names, and nothing else by 'lavapipe'", () => {
    for (const text of ['lavapipe', 'LLVMpipe', 'mesa']) expect(matchesAdapter(LAVAPIPE, text)).toBe(true);
    expect(matchesAdapter(SWIFTSHADER, 'lavapipe')).toBe(false);
  });
});

describe('planAdapter', () => {
  it('takes a real GPU before lavapipe before SwiftShader, wherever they stand', () => {
    expect(planAdapter({ ...situation, found: [SWIFTSHADER, LAVAPIPE, GEFORCE] })).toEqual({ do: 'use', index: 2 });
    expect(planAdapter({ ...situation, found: [WARP, SWIFTSHADER, LAVAPIPE] })).toEqual({ do: 'use', index: 2 });
    expect(planAdapter({ ...situation, found: [WARP, SWIFTSHADER] })).toEqual({ do: 'use', index: 1 });
  });

  it('takes what is asked for, even where there is better', () => {
    const found = [GEFORCE, LAVAPIPE, SWIFTSHADER];
    expect(planAdapter({ ...situation, found, wanted: 'lavapipe' })).toEqual({ do: 'use', index: 1 });
    expect(planAdapter({ ...situation, found, wanted: 'google' })).toEqual({ do: 'use', index: 2 });
  });

  it('brings in the packaged SwiftShader where nothing is found, or where it is asked for', () => {
    expect(planAdapter(situation)).toEqual({ do: 'restart-with-swiftshader' });
    expect(planAdapter({ ...situation, found: [GEFORCE], wanted: 'SwiftShader' })).toEqual({
      do: 'restart-with-swiftshader',
    });
  });

  it("does not overrule the user's drivers, unless SwiftShader is asked for", () => {
    const userDrivers = '/none.json';
    const plan = planAdapter({ ...situation, userDrivers });
    expect(plan).toEqual({ do: 'fail', message: expect.stringContaining('/none.json') });
    expect(planAdapter({ ...situation, userDrivers, wanted: 'swiftshader' }).do).toBe('restart-with-swiftshader');
  });

  it('lists what was found where nothing matches', () => {
    const plan = planAdapter({ ...situation, found: [LAVAPIPE], wanted: 'radeon' });
    expect(plan).toEqual({ do: 'fail', message: expect.stringMatching(/"radeon".*llvmpipe.*SwiftShader/) });
  });

  it('fails where SwiftShader cannot be added again', () => {
    const plan = planAdapter({ ...situation, canAddSwiftShader: false });
    expect(plan).toEqual({ do: 'fail', message: expect.stringContaining('found: none') });
  });
});

describe('chooseDriver', () => {
  const lavapipe = { VK_ICD_FILENAMES: '/lvp.json' };
  const swiftShader = { VK_ICD_FILENAMES: '/swiftshader.json' };

  function reports(adapter: AdapterInfo | undefined): AdapterReport[] {
    return adapter ? [{ ...adapter, limits: {}, features: [], subgroupSizes: [0, 0] }] : [];
  }

  /** A machine described by the adapter that each environment gives. */
  function machine(adapters: {
    native?: AdapterInfo;
    lavapipe?: AdapterInfo;
    swiftshader?: AdapterInfo;
    userDrivers?: string;
  }): DriverSources & { probe: ReturnType<typeof vi.fn> } {
    const probe = vi.fn(async (environment: DriverEnvironment) => {
      if (environment.VK_ICD_FILENAMES === '/lvp.json') return reports(adapters.lavapipe);
      if (environment.VK_ICD_FILENAMES === '/swiftshader.json') return reports(adapters.swiftshader);
      return reports(adapters.native);
    });
    return {
      probe,
      lavapipe: () => lavapipe,
      swiftShader: async () => swiftShader,
      userDrivers: adapters.userDrivers,
    };
  }

  it('auto: a real GPU with the environment as it is', async () => {
    const sources = machine({ native: GEFORCE, lavapipe: LAVAPIPE, swiftshader: SWIFTSHADER });
    expect(await chooseDriver('auto', sources)).toMatchObject({ environment: {}, adapter: GEFORCE });
  });

  it('auto: lavapipe by name, so that every runtime takes the same driver', async () => {
    const sources = machine({ native: SWIFTSHADER, lavapipe: LAVAPIPE, swiftshader: SWIFTSHADER });
    expect(await chooseDriver('auto', sources)).toMatchObject({ environment: lavapipe, adapter: LAVAPIPE });
  });

  it('auto: SwiftShader where lavapipe is absent or refused', async () => {
    const refused = machine({ swiftshader: SWIFTSHADER });
    expect((await chooseDriver('auto', refused)).environment).toBe(swiftShader);
    const absent = { ...machine({ swiftshader: SWIFTSHADER }), lavapipe: () => undefined };
    expect((await chooseDriver('auto', absent)).environment).toBe(swiftShader);
  });

  it("auto: the user's drivers, tried once and not replaced", async () => {
    const sources = machine({ native: LAVAPIPE, swiftshader: SWIFTSHADER, userDrivers: '/mine.json' });
    expect(await chooseDriver('auto', sources)).toMatchObject({ environment: {}, adapter: LAVAPIPE });
    const broken = machine({ swiftshader: SWIFTSHADER, userDrivers: '/mine.json' });
    await expect(chooseDriver('auto', broken)).rejects.toThrow(/\/mine\.json/);
    expect(broken.probe).toHaveBeenCalledTimes(1);
  });

  it('a named driver or nothing', async () => {
    const sources = machine({ native: GEFORCE, lavapipe: LAVAPIPE, swiftshader: SWIFTSHADER });
    expect((await chooseDriver('swiftshader', sources)).adapter).toMatchObject(SWIFTSHADER);
    expect((await chooseDriver('lavapipe', sources)).adapter).toMatchObject(LAVAPIPE);
    expect((await chooseDriver('native', sources)).adapter).toMatchObject(GEFORCE);
    await expect(chooseDriver('lavapipe', machine({ native: GEFORCE }))).rejects.toThrow(/Mesa 25/);
  });
});

describe.runIf(packagedArchive('swiftshader'))('unpackPackaged', () => {
  const cache = mkdtempSync(join(tmpdir(), 'gradcam-adapters-'));
  beforeAll(() => {
    vi.stubEnv('GRADCAM_CACHE', cache);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(cache, { recursive: true });
  });

  it('gives the same complete folder to callers at the same time, and leaves nothing else', async () => {
    const folders = await Promise.all([1, 2, 3].map(() => unpackPackaged('swiftshader')));
    expect(new Set(folders).size).toBe(1);
    expect(readdirSync(folders[0]!).sort()).toEqual(
      expect.arrayContaining(['libvk_swiftshader.so', 'libvulkan.so.1', 'vk_swiftshader_icd.json']),
    );
    expect(readdirSync(join(cache, 'drivers'))).toHaveLength(1);
  });

  it('keeps the directories of an archive', async () => {
    const folder = await unpackPackaged('al2023');
    expect(existsSync(join(folder, 'lib', 'libnss3.so'))).toBe(true);
  });
});

describe('adapterNames', () => {
  it("reads them from Dawn's message, each once", () => {
    const message = `Error: no suitable backends found
Available adapters:
 * backend: 'd3d12', name: 'NVIDIA GeForce RTX 3090'
 * backend: 'vulkan', name: 'NVIDIA GeForce RTX 3090'
 * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'
`;
    expect(adapterNames(message)).toEqual(['NVIDIA GeForce RTX 3090', 'llvmpipe (LLVM 15.0.6, 256 bits)']);
    expect(adapterNames('Error: something else')).toEqual([]);
  });
});

describe('probeAdapters', () => {
  it('reports the adapter of this environment with its limits', async () => {
    const [first] = await probeAdapters({});
    expect(first?.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(128 * 2 ** 20);
    expect(first?.features).toContain('core-features-and-limits');
  });

  it.runIf(process.platform === 'linux')('reports none where there is no driver', async () => {
    expect(await probeAdapters({ VK_ICD_FILENAMES: '/none.json', VK_DRIVER_FILES: '/none.json' })).toEqual([]);
  });
});
