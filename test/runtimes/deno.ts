/** The test bundle in Deno, whose WebGPU is wgpu: another implementation and another shader compiler than Dawn. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RemoteRuntime } from './remote.ts';

/** The program itself: npm's launcher would outlive being killed. */
function denoExecutable(): string {
  const installer: { runInstall(): string } = createRequire(import.meta.url)('deno/install_api.cjs');
  return installer.runInstall();
}

/** Without a Vulkan driver wgpu quietly takes OpenGL, an adapter that nobody chose: then the tests must fail. */
const BACKEND = process.platform === 'linux' ? { DENO_WEBGPU_BACKEND: 'vulkan' } : {};

/**
 * Starts Deno on the bundle, with no permission but to read it and what is named. The Vulkan driver comes from the
 * environment.
 *
 * @param options.readable files and folders
 */
export async function startDeno(
  bundle: string,
  { readable = [] }: { readable?: readonly string[] } = {},
): Promise<RemoteRuntime> {
  const folder = await mkdtemp(join(tmpdir(), 'gradcam-deno-'));
  const bundleFile = join(folder, 'tests.mjs');
  await writeFile(bundleFile, bundle);
  const host = fileURLToPath(new URL('deno-host.ts', import.meta.url));
  const flags = ['--no-config', '--no-lock', '--no-prompt', '--no-check', '--quiet'];
  const permission = `--allow-read=${[bundleFile, ...readable].join(',')}`;
  const child = spawn(denoExecutable(), ['run', ...flags, permission, host, bundleFile], {
    env: { ...process.env, ...BACKEND },
  });

  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => reject(new Error(`Deno ended (${signal ?? `exit ${code}`}):\n${said}`)));
  });
  ended.catch(() => undefined);
  // Writing to a program that has ended must not bring this one down; `ended` tells.
  child.stdin.on('error', () => undefined);

  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextAnswer = async () => JSON.parse((await Promise.race([lines.next(), ended])).value ?? (await ended));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return {
      tests: await nextAnswer(),
      run: (index) => {
        child.stdin.write(`${index}\n`);
        return nextAnswer();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
