/** Dawn, the WebGPU of npm `webgpu`: its adapters, and a Gpu on the chosen one. */
import { create } from 'webgpu';
import { GpuUnavailableError, OptionError } from '../errors.ts';
import { type AdapterInfo, describeAdapter, Gpu } from '../gpu/gpu.ts';
import type { TunerOptions } from '../gpu/tuner.ts';
import { checkOptionNames } from '../option-names.ts';
import type { Precision } from '../precision.ts';
import {
  type AdapterPlan,
  adapterKind,
  matchesAdapter,
  packagedArchive,
  planAdapter,
  userDrivers,
  vulkanDrivers,
} from './adapters.ts';
import { napWhileWaiting } from './naps.ts';
import { adapterNames, HALF_FLAGS, UNKNOWN_ADAPTER_FLAG } from './probe.ts';
import { tuningFiles } from './tuning-files.ts';

/** How requestNodeGpu() finds a device. */
export interface NodeGpuOptions extends TunerOptions {
  /** Text that the adapter's vendor, architecture, device or description must hold, in any case. Default: the best. */
  adapter?: string;
  /** As in Gpu.request. */
  limits?: 'adapter' | 'default';
  /** As in Gpu.request. */
  precision?: Precision;
  /** Default: files in `tuning` of GRADCAM_CACHE or the operating system's cache folder. */
  tuningStore?: TunerOptions['tuningStore'];
}

/**
 * A Gpu on Dawn for programs in Node. Nothing is set globally.
 *
 * Dawn sees the drivers that the process was started with. On a machine without any, start it with the variables that
 * swiftShaderEnvironment() returns, as the command line does with itself.
 *
 * @throws GpuUnavailableError listing the adapters found, if none can be used or matches; OptionError
 */
export async function requestNodeGpu(options: NodeGpuOptions = {}): Promise<Gpu> {
  checkOptionNames('requestNodeGpu()', options, {
    adapter: true,
    limits: true,
    precision: true,
    tune: true,
    tuningStore: true,
    forceVariant: true,
  });
  const { adapter, ...others } = options;
  const { tuningStore } = others;
  if (tuningStore && (typeof tuningStore.read !== 'function' || typeof tuningStore.write !== 'function')) {
    throw new OptionError('tuningStore', tuningStore, 'a TuningStore, such as tuningFiles(folder), or false');
  }
  const choice = await chooseDawnAdapter(adapter, options.precision);
  if (choice.do === 'use') return openDawnGpu(choice.adapter, others);
  if (choice.do === 'fail') throw new GpuUnavailableError(choice.message);
  throw new GpuUnavailableError(
    'Dawn finds no such adapter with the drivers of this process. The packaged SwiftShader can serve: start the process ' +
      "with the environment variables that swiftShaderEnvironment() of 'gradcam-webgpu/node' returns.",
  );
}

/** An adapter, with the Dawn instance that it came from. */
export interface DawnAdapter {
  readonly instance: GPU;
  readonly adapter: GPUAdapter;
}

/** A Gpu on an adapter. Dawn crashes the process when an instance is collected while a device of it is at work. */
export async function openDawnGpu(
  { instance, adapter }: DawnAdapter,
  { tuningStore = tuningFiles(), ...others }: Omit<NodeGpuOptions, 'adapter'> = {},
): Promise<Gpu> {
  const gpu = await Gpu.request({ ...others, adapter, tuningStore });
  // What waits for the device's end holds the instance until then.
  gpu.device.lost.then(() => instance);
  return gpu;
}

export type DawnChoice = { do: 'use'; adapter: DawnAdapter } | Exclude<AdapterPlan, { do: 'use' }>;

/**
 * Chooses among the adapters of this process, or says what would help.
 *
 * @param precision that models will be loaded with
 */
export async function chooseDawnAdapter(wanted?: string, precision?: Precision): Promise<DawnChoice> {
  const adapters = await candidates(wanted, precision === 'f16' ? HALF_FLAGS : []);
  const plan = planAdapter({
    found: adapters.map(infoOf),
    wanted,
    canAddSwiftShader: !usesPackagedSwiftShader() && packagedArchive('swiftshader') !== undefined,
    userDrivers: userDrivers(),
  });
  return plan.do === 'use' ? { do: 'use', adapter: adapters[plan.index]! } : plan;
}

/** Most often the adapter that Dawn gives is the one to take; a look at the others costs time and drivers' warnings. */
async function candidates(wanted: string | undefined, flags: readonly string[]): Promise<DawnAdapter[]> {
  // Without a driver Dawn would only fail, and print a native stack trace to standard error.
  if (process.platform === 'linux' && vulkanDrivers().length === 0) return [];
  const first = await requestAdapter(flags);
  if (!first) return [];
  const info = infoOf(first);
  const isGood = ['gpu', 'lavapipe'].includes(adapterKind(info));
  if (isGood && (wanted === undefined || matchesAdapter(info, wanted))) return [first];
  return dawnAdapters(flags);
}

/** Every adapter that Dawn sees with the drivers of this process. */
async function dawnAdapters(flags: readonly string[]): Promise<DawnAdapter[]> {
  const message = await requestAdapter([UNKNOWN_ADAPTER_FLAG]).then(() => '', String);
  const found: DawnAdapter[] = [];
  for (const name of adapterNames(message)) {
    const adapter = await requestAdapter([...flags, `adapter=${name}`]);
    if (adapter) found.push(adapter);
  }
  return found;
}

function infoOf({ adapter }: DawnAdapter): AdapterInfo {
  return describeAdapter(adapter.info);
}

/** Whether this process was started with swiftShaderEnvironment(). */
function usesPackagedSwiftShader(): boolean {
  return /swiftshader-[\d.]+[\\/]vk_swiftshader_icd\.json$/.test(userDrivers() ?? '');
}

async function requestAdapter(dawnFlags: readonly string[]): Promise<DawnAdapter | undefined> {
  const instance = create([...dawnFlags]);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return undefined;
  if (infoOf({ instance, adapter }).isFallback) napWhileWaiting(adapter);
  return { instance, adapter };
}
