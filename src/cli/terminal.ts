/** Where the program writes: results to standard output, everything else to standard error. */
import { Presets, SingleBar } from 'cli-progress';

export interface ProgressBar {
  update(done: number, total: number): void;
  stop(): void;
}

export class Terminal {
  readonly #stdout: NodeJS.WritableStream;
  readonly #stderr: NodeJS.WritableStream;
  /** Set by --quiet: no progress, no notes; errors are still shown. */
  quiet = false;

  constructor(stdout: NodeJS.WritableStream = process.stdout, stderr: NodeJS.WritableStream = process.stderr) {
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  print(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  note(text: string): void {
    if (!this.quiet) this.#stderr.write(`${text}\n`);
  }

  error(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  /** A bar that is drawn on a terminal, and gone when it stops; silent elsewhere. */
  progress(title: string, format: (amount: number) => string): ProgressBar {
    if (this.quiet) return { update() {}, stop() {} };
    const bar = new SingleBar(
      {
        stream: this.#stderr,
        format: `${title} [{bar}] {percentage}% {amount}`,
        clearOnComplete: true,
        hideCursor: true,
        barsize: 30,
      },
      Presets.rect,
    );
    let started = false;
    return {
      update(done, total) {
        const amount = { amount: `${format(done)} of ${format(total)}` };
        if (!started) bar.start(total, done, amount);
        else {
          bar.setTotal(total);
          bar.update(done, amount);
        }
        started = true;
      },
      stop() {
        if (started) bar.stop();
      },
    };
  }
}
