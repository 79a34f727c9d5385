/** The command line of the box: the bench's own, and what is the box's. */
import { MEASURES_HELP, OPTIONS_HELP, readArguments, UsageError } from '../arguments.ts';

export interface BoxArguments {
  readonly help: boolean;
  /** Time PyTorch first, 'cpu' to try that without a GPU. */
  readonly torch: 'gpu' | 'cpu' | undefined;
  /** For the bench; a report goes to the folder of results if nothing else is said. */
  readonly bench: readonly string[];
}

export const BOX_HELP = `./run.sh [options]

  --torch         time PyTorch on this GPU first, for m11: with python3, or the Python that PYTHON names
  --torch-cpu     the same on the CPU with n = 1: to see that it works
${OPTIONS_HELP.split('\n')
  .filter((line) => !line.includes('--torch FILE'))
  .join('\n')}

${MEASURES_HELP}

Without options everything is measured. Reports go to the folder results, if --json names no other place.
GRADCAM_TEST_ADAPTER=lavapipe or swiftshader measures a software adapter; without it there has to be a GPU.`;

/**
 * @param results folder of reports
 * @throws UsageError as the bench does
 */
export function readBoxArguments(args: readonly string[], results: string): BoxArguments {
  const own = ['--torch', '--torch-cpu'];
  const follows = args[args.indexOf('--torch') + 1];
  const namesFile = args.includes('--torch') && follows !== undefined && !follows.startsWith('-');
  if (namesFile || args.some((arg) => arg.startsWith('--torch='))) {
    throw new UsageError('--torch takes no file here: it times PyTorch on this machine');
  }
  const rest = args.filter((arg) => !own.includes(arg));
  const { help, jsonFile } = readArguments(rest);
  return {
    help,
    torch: args.includes('--torch-cpu') ? 'cpu' : args.includes('--torch') ? 'gpu' : undefined,
    bench: jsonFile === undefined ? [...rest, '--json', results] : rest,
  };
}
