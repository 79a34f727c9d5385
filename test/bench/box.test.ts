import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BOX_HELP, readBoxArguments } from '../../bench/box/arguments.ts';
import { attempts, findGpu, type Machine, manifestFor } from '../../bench/box/drivers.ts';
import { packageFolders, packageNotice } from '../../bench/box/licences.ts';
import type { DriverEnvironment } from '../../src/node/adapters.ts';
import type { AdapterReport } from '../../src/node/probe.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpu-box-'));
afterAll(() => rmSync(folder, { recursive: true }));

const LIBRARIES = '/usr/lib/x86_64-linux-gnu';
const GLX = `${LIBRARIES}/libGLX_nvidia.so.0`;
const EGL = `${LIBRARIES}/libEGL_nvidia.so.0`;
const plain: Machine = {
  loader: `${LIBRARIES}/libvulkan.so.1`,
  packedLoader: '/box/libvulkan.so.1',
  manifests: ['/etc/vulkan/icd.d/nvidia_icd.json'],
  strayManifests: [],
  nvidiaLibraries: [GLX, EGL],
  libraryFolders: [LIBRARIES],
  libraryPath: undefined,
};
const environments = (machine: Machine) =>
  attempts(machine, (library) => `${library}.json`).map(({ environment }) => environment);

describe('the ways to a driver', () => {
  it('begin with the machine as it is', () => {
    expect(environments(plain)[0]).toEqual({});
  });

  it("go on with NVIDIA's libraries, whatever manifests there are", () => {
    const named = (file: string) => ({ VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file });
    expect(environments({ ...plain, manifests: [] })).toEqual([named(`${GLX}.json`), named(`${EGL}.json`)]);
  });

  it('know manifests of other folders, and add the folder of the library', () => {
    const stray = '/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json';
    const library = '/usr/local/nvidia/lib64/libGLX_nvidia.so.0';
    const machine = {
      ...plain,
      manifests: [],
      strayManifests: [stray],
      nvidiaLibraries: [library],
      libraryPath: '/own',
    };
    expect(environments(machine)[0]).toEqual({
      VK_DRIVER_FILES: stray,
      VK_ICD_FILENAMES: stray,
      LD_LIBRARY_PATH: '/own:/usr/local/nvidia/lib64',
    });
  });

  it('go through the loader of the box only where the machine has none', () => {
    for (const environment of environments({ ...plain, loader: undefined })) {
      expect(environment).toMatchObject({ LD_LIBRARY_PATH: '/box' });
    }
    for (const environment of environments(plain)) expect(environment).not.toHaveProperty('LD_LIBRARY_PATH');
    expect(environments({ ...plain, loader: undefined, packedLoader: undefined })).toEqual([]);
  });

  it('name the library in the manifest that is made for it', () => {
    expect(JSON.parse(manifestFor(GLX))).toMatchObject({ file_format_version: '1.0.0', ICD: { library_path: GLX } });
  });
});

describe('the search for a GPU', () => {
  const report = (device: string, isFallback: boolean): AdapterReport => ({
    vendor: isFallback ? 'mesa' : 'nvidia',
    architecture: '',
    device,
    description: device,
    isFallback,
    limits: {},
    features: [],
    subgroupSizes: [0, 0],
  });
  const gpu = report('nvidia-l4', false);
  const software = report('llvmpipe', true);

  it('ends with the first way that leads to one, whose manifest is written', async () => {
    const probe = async ({ VK_DRIVER_FILES }: DriverEnvironment) =>
      VK_DRIVER_FILES?.includes('EGL') ? [gpu] : VK_DRIVER_FILES ? [] : [software];
    const found = await findGpu(plain, folder, probe);
    expect(found).toMatchObject({ name: EGL, adapter: gpu });
    expect(readFileSync(found.environment.VK_DRIVER_FILES!, 'utf8')).toBe(manifestFor(EGL));
  });

  it('takes no software adapter, and says what there was', async () => {
    const failure = findGpu({ ...plain, nvidiaLibraries: [] }, folder, async () => [software]);
    await expect(failure).rejects.toThrow(/nvidia_icd\.json.*only llvmpipe.*NVIDIA_DRIVER_CAPABILITIES/s);
  });

  it('says that a loader is missing', async () => {
    const failure = findGpu({ ...plain, loader: undefined, packedLoader: undefined }, folder, async () => []);
    await expect(failure).rejects.toThrow('Install the Vulkan loader');
  });
});

describe("the box's arguments", () => {
  const read = (...args: string[]) => readBoxArguments(args, '/results');

  it('send the report to the results', () => {
    expect(read()).toEqual({ help: false, torch: undefined, bench: ['--json', '/results'] });
    expect(read('--json', 'x.json').bench).toEqual(['--json', 'x.json']);
  });

  it('keep to themselves what the bench does not know', () => {
    expect(read('--torch', '--only', 'm11')).toMatchObject({
      torch: 'gpu',
      bench: ['--only', 'm11', '--json', '/results'],
    });
    expect(read('--torch-cpu').torch).toBe('cpu');
  });

  it('are refused before anything is done', () => {
    expect(() => read('--only', 'nothing')).toThrow('--only: got "nothing"');
    expect(() => read('--torch', 'times.json')).toThrow('--torch takes no file');
    expect(() => read('--torch=times.json')).toThrow('--torch takes no file');
  });

  it('are explained, those of the bench too', () => {
    for (const option of ['--torch ', '--torch-cpu', '--only', '--quick', '--json', '--compare']) {
      expect(BOX_HELP).toContain(`  ${option}`);
    }
    expect(BOX_HELP).not.toContain('--torch FILE');
  });
});

describe('the licences', () => {
  it('are those of the packages that modules come from', () => {
    const modules = [
      '/p/src/a.ts',
      '/p/node_modules/x/y.js',
      '/p/node_modules/x/z.js',
      '\0/p/node_modules/@s/t/u.js?v',
    ];
    expect(packageFolders(modules)).toEqual(['/p/node_modules/@s/t', '/p/node_modules/x']);
    expect(packageFolders(['/p/node_modules/x/node_modules/y/z.js'])).toEqual(['/p/node_modules/x/node_modules/y']);
  });

  it('say whose they are, with their text', () => {
    const root = new URL('../../node_modules/tar-fs', import.meta.url).pathname;
    expect(packageNotice(root)).toMatch(/tar-fs \d+\.\d+\.\d+: MIT.*Permission is hereby granted/s);
  });
});
