import { spawn } from 'node:child_process';

/**
 * Runs a Node program in this process's place: its output is this one's, signals are passed on, and this process ends with
 * the program's exit code.
 *
 * @param args the program and its arguments, as for `node`
 * @param environment added to this process's
 */
export function runProgram(
  args: readonly string[],
  { cwd, environment }: { cwd?: string; environment: Readonly<Record<string, string>> },
): void {
  const child = spawn(process.execPath, args, { cwd, stdio: 'inherit', env: { ...process.env, ...environment } });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}
