/** What has failed on the GPU, in words. */
import { GpuUnavailableError, LimitError, ShaderError } from '../errors.ts';

export function noWebGpu(): GpuUnavailableError {
  return new GpuUnavailableError(
    'WebGPU is not available here: navigator.gpu is missing. Use a browser with WebGPU on a secure page (https or ' +
      "localhost), Deno, or Node with requestNodeGpu() of 'gradcam-webgpu/node'.",
  );
}

export function noAdapter(): GpuUnavailableError {
  return new GpuUnavailableError('WebGPU found no adapter: no GPU driver that it accepts is installed or allowed.');
}

export function refusedDevice(cause: unknown): GpuUnavailableError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GpuUnavailableError(`the adapter refused a device: ${reason}`, { cause });
}

/** @param memory what the buffers take that are still there */
export function outOfMemory({ message }: GPUError, { currentBytes }: { readonly currentBytes: number }): LimitError {
  return new LimitError(
    `the GPU is out of memory (${message.trim()}); use fewer samples per dispatch with the option batch`,
    { limit: 'memory', needed: currentBytes, available: 0 },
  );
}

/** @param moduleError what the error scope around the module caught */
export async function compileError(
  label: string,
  code: string,
  module: GPUShaderModule,
  cause: unknown,
  moduleError: GPUError | null,
): Promise<ShaderError> {
  // Deno's wgpu has no getCompilationInfo on failed modules; the error's own text is then all there is.
  const info = await module.getCompilationInfo?.().catch(() => undefined);
  const errors = info?.messages.filter((message) => message.type === 'error') ?? [];
  if (errors.length === 0) {
    const reason = moduleError?.message ?? (cause instanceof Error ? cause.message : String(cause));
    return new ShaderError(`kernel ${label} did not compile: ${reason}`, { cause });
  }
  const lines = code.split('\n');
  const shown = errors.slice(0, 3).map(({ lineNum, linePos, message }) => {
    const context = [lineNum - 1, lineNum, lineNum + 1]
      .filter((n) => n >= 1 && n <= lines.length)
      .map((n) => `${n === lineNum ? '>' : ' '}${String(n).padStart(5)} | ${lines[n - 1]}`);
    return `line ${lineNum}, column ${linePos}: ${message}\n${context.join('\n')}`;
  });
  return new ShaderError(`kernel ${label} did not compile:\n${shown.join('\n')}`, { cause });
}
