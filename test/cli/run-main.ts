/** The program, run in the test's own process. */
import { Writable } from 'node:stream';
import { main } from '../../src/cli/main.ts';
import { Terminal } from '../../src/cli/terminal.ts';

export interface ProgramRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program without what the user's environment would add. */
export async function runMain(
  args: readonly string[],
  { env = {}, signal = new AbortController().signal }: { env?: NodeJS.ProcessEnv; signal?: AbortSignal } = {},
): Promise<ProgramRun> {
  const output = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _, done) {
        output[name] += chunk;
        done();
      },
    });
  const terminal = new Terminal(sink('stdout'), sink('stderr'));
  const code = await main(args, { terminal, env, signal });
  return { code, ...output };
}
