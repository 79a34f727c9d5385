import type { Terminal } from './terminal.ts';

/** What a command is given besides its own arguments. */
export interface Context {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** Fires when the user interrupts the program, and when the command is over: what it has left open is closed then. */
  readonly signal: AbortSignal;
}
