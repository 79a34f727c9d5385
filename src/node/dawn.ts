/** Dawn, the WebGPU of npm `webgpu`: its adapters, and a Gpu on the chosen one. */
import { create } from 'webgpu';
import { GpuUnavailableError } from '../errors.ts';
import { type AdapterInfo, Gpu } from '../gpu/gpu.ts';
import {
  type AdapterPlan,
  adapterKind,
  matchesAdapter,
  packagedArchive,
  planAdapter,
  quietEnvironment,
  userDrivers,
  vulkanDrivers,
} from './adapters.ts';
import { adapterNames, UNKNOWN_ADAPTER_FLAG } from './probe.ts';

export interface NodeGpuOptions {
  /** Text that the adapter's vendor, architecture, device or description must hold, in any case. Default: the best. */
  adapter?: string;
  /** As in Gpu.request. */
  limits?: 'adapter' | 'default';
}

/**
 * A Gpu on Dawn for programs in Node. Nothing is set globally.
 *
 * Dawn sees the drivers that the process was started with. On a machine without any, start it with the variables that
 * swiftShaderEnvironment() returns, as the command line does with itself.
 *
 * @throws GpuUnavailableError listing the adapters found, if none can be used or matches.
 */
export async function requestNodeGpu(options: NodeGpuOptions = {}): Promise<Gpu> {
  const choice = await chooseDawnAdapter(options.adapter);
  if (choice.do === 'use') return Gpu.request({ adapter: choice.adapter, limits: options.limits });
  if (choice.do === 'fail') throw new GpuUnavailableError(choice.message);
  throw new GpuUnavailableError(
    'Dawn finds no such adapter with the drivers of this process. The packaged SwiftShader can serve: start the process ' +
      "with the environment variables that swiftShaderEnvironment() of 'gradcam-webgpu/node' returns.",
  );
}

export type DawnChoice = { do: 'use'; adapter: GPUAdapter } | Exclude<AdapterPlan, { do: 'use' }>;

/** Chooses among the adapters of this process, or says what would help. */
export async function chooseDawnAdapter(wanted?: string): Promise<DawnChoice> {
  const adapters = await candidates(wanted);
  const plan = planAdapter({
    found: adapters.map(infoOf),
    wanted,
    canAddSwiftShader: !usesPackagedSwiftShader() && packagedArchive('swiftshader') !== undefined,
    userDrivers: userDrivers(),
  });
  return plan.do === 'use' ? { do: 'use', adapter: adapters[plan.index]! } : plan;
}

/** Most often the adapter that Dawn gives is the one to take; a look at the others costs time and drivers' warnings. */
async function candidates(wanted: string | undefined): Promise<GPUAdapter[]> {
  // Without a driver Dawn would only fail, and print a native stack trace to standard error.
  if (process.platform === 'linux' && vulkanDrivers().length === 0) return [];
  const first = await requestAdapter([]);
  if (!first) return [];
  const info = infoOf(first);
  const isGood = ['gpu', 'lavapipe'].includes(adapterKind(info));
  if (isGood && (wanted === undefined || matchesAdapter(info, wanted))) return [first];
  return dawnAdapters();
}

/** Every adapter that Dawn sees with the drivers of this process. */
async function dawnAdapters(): Promise<GPUAdapter[]> {
  const message = await requestAdapter([UNKNOWN_ADAPTER_FLAG]).then(() => '', String);
  const found: GPUAdapter[] = [];
  for (const name of adapterNames(message)) {
    const adapter = await requestAdapter([`adapter=${name}`]);
    if (adapter) found.push(adapter);
  }
  return found;
}

function infoOf(adapter: GPUAdapter): AdapterInfo {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  return { vendor, architecture, device, description, isFallback: isFallbackAdapter };
}

/** Whether this process was started with swiftShaderEnvironment(). */
function usesPackagedSwiftShader(): boolean {
  return /swiftshader-[\d.]+[\\/]vk_swiftshader_icd\.json$/.test(userDrivers() ?? '');
}

async function requestAdapter(dawnFlags: string[]): Promise<GPUAdapter | undefined> {
  Object.assign(process.env, quietEnvironment());
  const gpu = create(dawnFlags);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  return adapter ?? undefined;
}
