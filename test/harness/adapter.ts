/** Where the tests' adapter comes from: Dawn in Node, `navigator.gpu` in a browser and in Deno. */
import { napWhileWaiting } from '../../src/node/naps.ts';
import { AssertionError } from './assertions.ts';

export type Runtime = 'node' | 'deno' | 'browser';

export const runtime: Runtime =
  'Deno' in globalThis ? 'deno' : typeof process === 'object' && process.versions?.node ? 'node' : 'browser';

/**
 * Whether to go through the whole grid of shapes. Node does; the other runtimes, whose software adapters are slower,
 * take a part of it: there the question is whether their compilers agree, not whether the arithmetic is right.
 */
export const thorough = runtime === 'node';

/** Where adapters come from. Dawn's own globals are left out: the library must not lean on them. */
async function entryPoint(): Promise<GPU> {
  if (runtime === 'node') {
    const { create } = await import('webgpu');
    return create([]);
  }
  if (!navigator.gpu)
    throw new AssertionError(`navigator.gpu is missing in this ${runtime}; WebGPU needs a secure page`);
  return navigator.gpu;
}

// Dawn shuts down once its entry point is collected, while its devices are still in use.
let entry: Promise<GPU> | undefined;

/** @throws AssertionError if there is none: a test without its adapter must fail, never skip */
export async function testAdapter(): Promise<GPUAdapter> {
  entry ??= entryPoint();
  const adapter = await (await entry).requestAdapter();
  if (!adapter) {
    throw new AssertionError(
      `no WebGPU adapter in this ${runtime}. \`npm test\` sets up a software driver where there is no GPU; ` +
        'when calling vitest directly, set VK_ICD_FILENAMES to the driver to use',
    );
  }
  // Whatever the adapter: every test then goes through it.
  if (runtime === 'node') napWhileWaiting(adapter);
  return adapter;
}

const ERROR_FILTERS = ['internal', 'out-of-memory', 'validation'] as const satisfies readonly GPUErrorFilter[];

/**
 * Runs `work`, waits for the queue, and throws what WebGPU reported meanwhile: without it a refused command shows as a
 * result of zeros, or as nothing at all.
 */
export async function withErrorScopes<T>(device: GPUDevice, work: () => Promise<T>): Promise<T> {
  for (const filter of ERROR_FILTERS) device.pushErrorScope(filter);
  let result: T;
  let errors: (GPUError | null)[] = [];
  try {
    result = await work();
    await device.queue.onSubmittedWorkDone();
  } finally {
    errors = await Promise.all(ERROR_FILTERS.map(() => device.popErrorScope()));
  }
  const messages = errors.flatMap((error) => (error ? [`${error.constructor.name}: ${error.message}`] : []));
  if (messages.length > 0) throw new AssertionError(`unexpected WebGPU errors:\n${messages.join('\n')}`);
  return result;
}
