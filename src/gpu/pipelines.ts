/**
 * The pipeline cache of one device. A key is the expanded source and the constants, so that an edit of either is another
 * pipeline; creation in flight is shared, and a failed one is forgotten. What a variant of a source expands to is
 * remembered: jobs ask for the same few dozen at every batch.
 */
import { onDemand } from '../on-demand.ts';
import {
  expandKernel,
  type Kernel,
  type KernelInterface,
  type KernelSource,
  kernelLabel,
  readInterface,
} from './kernel.ts';

export interface CompiledKernel {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly interface: KernelInterface;
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Promise<CompiledKernel>>();
  /** Of each variant asked for; a text that is still being loaded is shared. */
  readonly #expanded = new WeakMap<KernelSource, Map<string, Promise<ExpandedKernel>>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many pipelines were created or are being created. */
  get size(): number {
    return this.#compiled.size;
  }

  /**
   * Compiles a kernel, or hands out the one there is.
   *
   * @throws ShaderError with kernel, variant, line and source; LoadError
   */
  async get(kernel: Kernel): Promise<CompiledKernel> {
    const { code, key } = await this.#expand(kernel);
    let compiled = this.#compiled.get(key);
    if (!compiled) {
      compiled = this.#compile(kernel, code);
      this.#compiled.set(key, compiled);
      compiled.catch(() => this.#compiled.delete(key));
    }
    return compiled;
  }

  /** Has the texts of kernels come, where they are not at hand. @throws LoadError */
  fetch(users: readonly { readonly kernel: Kernel }[]): Promise<unknown> {
    return Promise.all(users.map(({ kernel }) => this.#expand(kernel)));
  }

  #expand(kernel: Kernel): Promise<ExpandedKernel> {
    const { source, flags, constants } = kernel;
    const variants = this.#expanded.get(source) ?? new Map();
    this.#expanded.set(source, variants);
    const variant = JSON.stringify([flags, constants]);
    let expanded = variants.get(variant);
    if (!expanded) {
      expanded = expandWithKey(kernel);
      variants.set(variant, expanded);
      expanded.catch(() => variants.delete(variant));
    }
    return expanded;
  }

  async #compile(kernel: Kernel, code: string): Promise<CompiledKernel> {
    const label = kernelLabel(kernel);
    const device = this.#device;
    const kernelInterface = readInterface(label, code);
    const entries: GPUBindGroupLayoutEntry[] = [...kernelInterface.storage.values()].map(({ binding, access }) => ({
      binding,
      visibility: GPU_SHADER_STAGE_COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }));
    entries.push({
      binding: kernelInterface.uniformBinding,
      visibility: GPU_SHADER_STAGE_COMPUTE,
      buffer: { type: 'uniform' },
    });
    const layout = device.createBindGroupLayout({ label, entries });
    // createComputePipelineAsync reports a bad module by rejecting; the scope keeps the module's own error off the console.
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label, code });
    const moduleError = device.popErrorScope();
    try {
      const pipeline = await device.createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main', constants: kernel.constants },
      });
      await moduleError;
      return { label, pipeline, layout, interface: kernelInterface };
    } catch (cause) {
      const { compileError } = await gpuFailures();
      throw await compileError(label, code, module, cause, await moduleError);
    }
  }
}

interface ExpandedKernel {
  readonly code: string;
  readonly key: string;
}

async function expandWithKey(kernel: Kernel): Promise<ExpandedKernel> {
  const code = await expandKernel(kernel);
  return { code, key: JSON.stringify([code, Object.entries(kernel.constants).sort()]) };
}

/** GPUShaderStage.COMPUTE; the global is absent where the device was handed in from outside a browser. */
const GPU_SHADER_STAGE_COMPUTE = 4;

/** The words for what has failed; most devices need none. @throws LoadError */
export function gpuFailures() {
  return onDemand('what says how the GPU has failed', () => import('./failures.ts'));
}
