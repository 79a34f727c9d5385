/** What Dawn finds in an environment, looked up in a child process. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { type AdapterInfo, describeAdapter } from '../gpu/gpu.ts';

export interface AdapterReport extends AdapterInfo {
  /** The limits that matter here, by WebGPU's name. */
  readonly limits: Readonly<Record<string, number>>;
  readonly features: readonly string[];
  /** Lanes of a subgroup, smallest and largest; 0 where the driver does not say. */
  readonly subgroupSizes: readonly [min: number, max: number];
}

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
  'maxTextureDimension2D',
];

/**
 * What Dawn is started with where the precision 'f16' is wanted. It hides shader-f16 of NVIDIA's Vulkan drivers by default, as
 * some of WebGPU's conformance tests fail there (https://crbug.com/42251215); other drivers take no notice.
 */
export const HALF_FLAGS = ['enable-dawn-features=vulkan_enable_f16_on_nvidia'];

/** WebGPU has no list of adapters; Dawn's Node binding prints one when the adapter asked for by name does not exist. */
export const UNKNOWN_ADAPTER_FLAG = 'adapter=?';

/** The adapters' names in Dawn's message for UNKNOWN_ADAPTER_FLAG. */
export function adapterNames(message: string): string[] {
  const names = [...message.matchAll(/ \* backend: '[^']*', name: '(.*)'$/gm)].map((match) => match[1]!);
  return [...new Set(names)];
}

/**
 * Asks Dawn, in a child process with these variables added, for its adapters. The one that it takes by itself comes
 * first, and must give a device. A driver that crashes or hangs (20 s) takes the child down only, and counts as no adapter;
 * what drivers print is not shown.
 */
export function probeAdapters(environment: Readonly<Record<string, string>>): Promise<AdapterReport[]> {
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  const script = `
    import { create } from ${JSON.stringify(dawn)};
    const request = (flags) => create([...${JSON.stringify(HALF_FLAGS)}, ...flags]).requestAdapter({ powerPreference: 'high-performance' });
    const report = ({ info, limits, features }) => ({
      info: {
        vendor: info.vendor,
        architecture: info.architecture,
        device: info.device,
        description: info.description,
        isFallbackAdapter: info.isFallbackAdapter,
      },
      limits: Object.fromEntries(${JSON.stringify(LIMITS)}.map((name) => [name, limits[name]])),
      features: [...features].sort(),
      subgroupSizes: [info.subgroupMinSize ?? 0, info.subgroupMaxSize ?? 0],
    });
    const first = await request([]);
    if (!first) process.exit(1);
    const reports = [report(first)];
    (await first.requestDevice()).destroy();
    const message = await request([${JSON.stringify(UNKNOWN_ADAPTER_FLAG)}]).then(() => '', String);
    for (const name of (${adapterNames})(message)) {
      const adapter = await request(['adapter=' + name]);
      if (adapter) reports.push(report(adapter));
    }
    process.stdout.write(JSON.stringify(reports), () => process.exit(0));
  `;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.once('error', () => resolve([]));
    child.once('close', (code) => resolve(code === 0 ? distinct(reportsIn(output)) : []));
  });
}

/** What the child printed. */
function reportsIn(output: string): AdapterReport[] {
  const printed: (Omit<AdapterReport, keyof AdapterInfo> & { info: Partial<GPUAdapterInfo> })[] = JSON.parse(output);
  return printed.map(({ info, ...rest }) => ({ ...describeAdapter(info), ...rest }));
}

/** The first adapter is reported again under its name. */
function distinct(reports: AdapterReport[]): AdapterReport[] {
  const texts = reports.map((report) => JSON.stringify(report));
  return reports.filter((_, index) => texts.indexOf(texts[index]!) === index);
}
