import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { throwIfAborted } from '../errors.ts';
import { quietEnvironment, swiftShaderEnvironment } from '../node/adapters.ts';

/**
 * Runs this very command again in a process that finds the packaged SwiftShader: a Vulkan driver and its loader can
 * only be named before a process starts. Input, output and interruptions are passed through.
 *
 * @returns the exit code.
 * @throws GpuUnavailableError if SwiftShader cannot be unpacked, AbortError before the start.
 */
export async function restartWithSwiftShader(signal: AbortSignal): Promise<number> {
  const environment = { ...quietEnvironment(), ...(await swiftShaderEnvironment()) };
  throwIfAborted(signal);
  // The channel ends with this process, even a killed one; the other stops then (see interruptions).
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  });
  signal.addEventListener('abort', () => child.kill(signal.reason));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, killedBy) => resolve(code ?? exitCodeOf(killedBy!)));
  });
}

/** The exit code of a program that a signal ended, as shells count it. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
