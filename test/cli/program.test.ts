/** The program as users start it: bin/gradcam.js in a process of its own, on what the build made. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packagedArchive, vulkanDrivers } from '../../src/node/adapters.ts';
import { ensureFreshBuild } from '../harness/build.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const program = join(project, 'bin', 'gradcam.js');
const cwd = mkdtempSync(join(tmpdir(), 'gradcam-program-'));

beforeAll(ensureFreshBuild);
afterAll(() => rmSync(cwd, { recursive: true }));

function run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

describe('bin/gradcam.js', () => {
  it('explains without any argument', async () => {
    const { code, stdout, stderr } = await run([]);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('vgg16-scenes sees: ') });
    expect(stderr).not.toContain('gradcam:');
    expect(readdirSync(join(cwd, 'out'))).toEqual(['scene.methods.png']);
  });

  it('ends a wrong call with 2 and one message', async () => {
    const { code, stdout, stderr } = await run(['explain', '--samples', '-1']);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: 'gradcam: --samples: got -1; allowed: a whole number from 0 to 10000\n',
    });
  });

  it('shows a stack only when asked to', async () => {
    const { stderr } = await run(['explain', '--samples', '-1'], { GRADCAM_DEBUG: '1' });
    expect(stderr).toMatch(/^\s+at /m);
  });

  it('prints all of a long output into a pipe', async () => {
    const { stdout } = await run(['models', '--json']);
    const lines = stdout.trimEnd().split('\n');
    expect(() => lines.map((line) => JSON.parse(line))).not.toThrow();
  });

  it.skipIf(process.platform === 'win32')('ends with 130 on Ctrl-C, and leaves no file', async () => {
    const args = ['explain', '--samples', '5000', '--weights', 'random:0', '--width', '1/4', '--out', 'interrupted'];
    const child = spawn(process.execPath, [program, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (!stderr.includes('random weights') && (stderr + text).includes('random weights')) {
        setTimeout(() => child.kill('SIGINT'), 500);
      }
      stderr += text;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, stderr.trimEnd().split('\n').at(-1)]).toEqual([130, 'gradcam: interrupted']);
    expect(readdirSync(cwd)).not.toContain('interrupted');
  });
});

describe.runIf(packagedArchive('swiftshader'))('the packaged SwiftShader', () => {
  const bare = { VK_ICD_FILENAMES: '', VK_DRIVER_FILES: '', VK_ADD_DRIVER_FILES: '', XDG_DATA_DIRS: cwd };
  it.runIf(vulkanDrivers({ ...process.env, ...bare }).length === 0)('serves where no driver is found', async () => {
    const { code, stdout, stderr } = await run(['--json', '--quiet', '--out', 'bare'], bare);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout).adapter.architecture).toBe('swiftshader');
  });

  it('serves where it is asked for', async () => {
    const { code, stdout } = await run(['explain', '--json', '--out', 'asked', '--adapter', 'SwiftShader']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).adapter.architecture).toBe('swiftshader');
  });

  it('gives the exit code and the message of a failure', async () => {
    const { code, stderr } = await run(['classify', 'none.png', '--weights', 'random', '--adapter', 'swiftshader']);
    expect([code, stderr]).toEqual([1, 'gradcam: none.png: no such file\n']);
    const weights = await run(['explain', '--weights', 'none', '--adapter', 'swiftshader', '--quiet']);
    expect(weights.code).toBe(1);
    expect(weights.stderr).toContain('gradcam: none: no such file\n');
  });
});
