/** The command line: arguments in, exit code out. 0 done, 1 the work failed, 2 the call was wrong, 130 interrupted. */
import { Command, CommanderError } from 'commander';
import { GradcamError, OptionError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { classifyCommand } from './classify.ts';
import { type CompareFlags, compareCommand, compareOptions } from './compare.ts';
import type { Context } from './context.ts';
import { type ConvertFlags, convertCommand, convertOptions } from './convert.ts';
import { type DoctorFlags, doctorCommand } from './doctor.ts';
import { type EvaluateFlags, evaluateCommand, evaluateOptions } from './evaluate.ts';
import { explainCommand } from './explain.ts';
import { type CommonFlags, commonOptions, type ExplainFlags, explainOnlyOptions, inTermsOfFlags } from './flags.ts';
import { modelsCommand } from './models.ts';
import { type ReplayFlags, replayCommand, replayOptions } from './replay.ts';
import { exitCodeOf, restartWithSwiftShader } from './restart.ts';
import { SwiftShaderNeeded } from './setup.ts';
import { Terminal } from './terminal.ts';
import { type TourFlags, tourCommand, tourOptions } from './tour.ts';
import { type TuneFlags, tuneCommand, tuneOptions, tuningReport } from './tune.ts';

/** Runs the program in this process and ends it, with nothing of its output lost. */
export async function run(): Promise<never> {
  const terminal = new Terminal();
  const code = await main(process.argv.slice(2), { terminal, env: process.env, signal: interruptions() });
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  // Dawn's threads would keep the process alive for a while.
  process.exit(code);
}

/** @returns the exit code. */
export async function main(args: readonly string[], context: Context): Promise<number> {
  const { terminal, signal } = context;
  const over = new AbortController();
  const program = buildProgram({ ...context, signal: AbortSignal.any([signal, over.signal]) });
  try {
    return await perform(program, withCommand(args), signal);
  } catch (error) {
    if (error instanceof CommanderError) return callError(error, program, terminal);
    if (signal.aborted) {
      terminal.error('gradcam: interrupted');
      return exitCodeOf(signal.reason);
    }
    return report(error, context);
  } finally {
    over.abort();
  }
}

async function perform(program: Command, args: readonly string[], signal: AbortSignal): Promise<number> {
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof SwiftShaderNeeded) return restartWithSwiftShader(signal);
    throw error;
  }
}

/** commander has said what is wrong; help and version are no errors. */
function callError(error: CommanderError, program: Command, terminal: Terminal): number {
  if (error.exitCode === 0) return 0;
  if (error.code === 'commander.unknownCommand') {
    terminal.error(`Commands: ${program.commands.map((command) => command.name()).join(', ')}`);
  }
  return 2;
}

function report(error: unknown, { terminal, env }: Context): number {
  if (env.GRADCAM_DEBUG) terminal.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const message = error instanceof Error ? error.message : String(error);
  const expected = error instanceof GradcamError || (error as NodeJS.ErrnoException)?.syscall !== undefined;
  terminal.error(`gradcam: ${message}${expected ? '' : ' (unexpected; GRADCAM_DEBUG=1 shows where)'}`);
  return error instanceof OptionError ? 2 : 1;
}

/** Without a command, `explain` is meant; without anything, the tour. */
function withCommand(args: readonly string[]): string[] {
  if (args.length === 0) return ['tour'];
  const isGlobal = /^(-h|--help|-V|--version)$/.test(args[0] ?? '');
  return args[0].startsWith('-') && !isGlobal ? ['explain', ...args] : [...args];
}

function buildProgram(context: Context): Command {
  const { terminal } = context;
  const program = new Command('gradcam')
    .description('Explains what an image classifier looked at: Smooth Grad-CAM++ and its family on WebGPU.')
    .version(VERSION)
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.error(text.trimEnd().replace(/^error: /, 'gradcam: ')),
    })
    .exitOverride()
    .hook('preAction', (_, command) => {
      terminal.quiet = command.opts().quiet === true;
    });

  const explain = program
    .command('explain')
    .argument('[image...]', 'PNG, JPEG, WebP …, or .npy with uint8 [height, width, 3]; none: a drawn scene')
    .description(
      'explain why a class was predicted: writes a heat map over the picture, the raw map, and a description',
    )
    .action((images: string[], flags: ExplainFlags) =>
      translating(flags, () => explainCommand(images, flags, context)),
    );
  for (const option of [...explainOnlyOptions(), ...commonOptions()]) explain.addOption(option);

  const compare = program
    .command('compare')
    .argument('[image...]', 'pictures, as for explain; none: a drawn scene')
    .description('show the maps of several methods or presets side by side, and how far they differ')
    .action((images: string[], flags: CompareFlags) =>
      translating(flags, () => compareCommand(images, flags, context)),
    );
  for (const option of compareOptions()) compare.addOption(option);

  const classify = program
    .command('classify')
    .argument('<image...>', 'pictures, as for explain')
    .description('print the five most probable classes of pictures')
    .action((images: string[], flags: CommonFlags) =>
      translating(flags, () => classifyCommand(images, flags, context)),
    );
  for (const option of commonOptions()) classify.addOption(option);

  const replay = program
    .command('replay')
    .argument('<file>', '.json or .png that explain wrote')
    .description('make a map again from its record, and say whether it is the same')
    .action((file: string, flags: ReplayFlags) => translating({}, () => replayCommand(file, flags, context)));
  for (const option of replayOptions()) replay.addOption(option);

  const evaluate = program
    .command('evaluate')
    .description("measure how well each method's maps lie on the objects, on scenes or pictures with ground truth")
    .action((flags: EvaluateFlags) => translating({}, () => evaluateCommand(flags, context)));
  for (const option of evaluateOptions()) evaluate.addOption(option);

  const tour = program
    .command('tour')
    .description('explain a drawn scene by three methods, side by side; so does gradcam alone')
    .action((flags: TourFlags) => tourCommand(flags, context));
  for (const option of tourOptions()) tour.addOption(option);

  program
    .command('doctor')
    .description('show which GPU adapters there are, which one is used, and what would be better')
    .option('--adapter <text>', 'the adapter to choose, as for explain')
    .option('--tuning', 'show every timing of a kernel that was kept, in place of all that')
    .option('--json', 'print one line of JSON')
    .action((flags: DoctorFlags & { tuning?: boolean }) =>
      flags.tuning ? tuningReport(flags, context) : doctorCommand(flags, context),
    );

  const convert = program
    .command('convert')
    .argument('[source]', 'weights as for --weights of explain (default: those that the model has published)')
    .description('write weights as small files with an index, for a static host: in float32, float16 or 8 bits')
    .action((source: string | undefined, flags: ConvertFlags) =>
      translating({}, () => convertCommand(source, flags, context)),
    );
  for (const option of convertOptions()) convert.addOption(option);

  const tune = program
    .command('tune')
    .description("time the kernels that a model's explanations can be made with, and keep the timings for later calls")
    .action((flags: TuneFlags) => translating(flags, () => tuneCommand(flags, context)));
  for (const option of tuneOptions()) tune.addOption(option);

  program
    .command('models')
    .description('list the models that have a name, and where their weights are published')
    .option('--json', 'print one line of JSON for each model')
    .action((flags: { json?: boolean }) => modelsCommand(flags, context));
  return program;
}

async function translating(flags: ExplainFlags, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw error instanceof OptionError ? inTermsOfFlags(error, flags) : error;
  }
}

/** A signal for Ctrl-C and its like. Asked a second time, the program ends at once. */
function interruptions(): AbortSignal {
  const controller = new AbortController();
  let abortedAt = 0;
  const interrupt = (name: NodeJS.Signals) => {
    // A terminal sends Ctrl-C to parent and child alike, and the parent passes it on: that is still once.
    if (controller.signal.aborted && Date.now() - abortedAt > 500) process.exit(exitCodeOf(name));
    abortedAt ||= Date.now();
    controller.abort(name);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupt(name));
  // Only a restarted process has a channel; it closes when the one that the user started is gone.
  process.on('disconnect', () => interrupt('SIGTERM'));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough, such as `head`, is no failure.
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  return controller.signal;
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
