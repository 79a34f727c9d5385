/** The program, run in the test's own process. */
import { Writable } from 'node:stream';
import { main } from '../../src/cli/main.ts';
import { Terminal } from '../../src/cli/terminal.ts';
import { forcedVariant } from '../harness/forced.ts';

export interface ProgramRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Commands with the option --force-variant. */
const FORCIBLE = ['explain', 'classify', 'compare', 'evaluate'];

/** With the kernel that `npm test -- --force-variant` says, where the call leaves the choice open. */
function asForced(args: readonly string[]): readonly string[] {
  const isOpen = FORCIBLE.includes(args[0]!) && !args.some((arg) => /^--(tune|force-variant|help)$/.test(arg));
  return forcedVariant && isOpen ? [...args, '--force-variant', forcedVariant] : args;
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
  const code = await main(asForced(args), { terminal, env, signal });
  return { code, ...output };
}
