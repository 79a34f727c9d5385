/** The bench's command line. */
import { parseArgs } from 'node:util';
import { type Effort, FULL_EFFORT, QUICK_EFFORT } from './measure.ts';
import { alignColumns } from './report.ts';
import { chooseSections, SECTIONS, type Section } from './sections.ts';

export interface Arguments {
  readonly sections: readonly Section[];
  /** The words of --only; empty where everything is to be measured. */
  readonly asked: ReadonlySet<string>;
  /** n, samples in a batch of the ops. */
  readonly samples: number;
  readonly effort: Effort;
  readonly quick: boolean;
  readonly jsonFile: string | undefined;
  /** Where the roofline plot goes. */
  readonly plotFile: string | undefined;
  /** An earlier report to compare with. */
  readonly compareFile: string | undefined;
  readonly torchFile: string | undefined;
  readonly help: boolean;
}

/** A call that cannot be followed. */
export class UsageError extends Error {}

const DEFAULT_SAMPLES = 4;
const isOp = ({ name }: Section) => name.startsWith('ops.');
/** What --only understands, the ops apart. */
const WORDS = [...new Set(SECTIONS.flatMap(({ answersTo }) => answersTo))].filter((word) => !word.startsWith('ops.'));

/** What follows the program's name. */
export const OPTIONS_HELP = `  --only LIST     comma-separated names of measures; default: everything
  --samples N     samples in a batch of the ops and of the task; default ${DEFAULT_SAMPLES}
  --quick         ${QUICK_EFFORT.runs} runs of each instead of ${FULL_EFFORT.runs}, and against peers on a software adapter n = 1: to see that it works, not to quote
  --json FILE     also write {versions, adapter, runtime, date, rows, skipped}, anew after each measure; a folder gets DATE-ADAPTER.json
  --plot FILE     also draw the roofline plot of the ops as SVG; measures the roofs, too
  --compare FILE  also print the ratios to the rows of an earlier --json FILE
  --torch FILE    times of PyTorch on this GPU, for m11, as bench/box/torch_task.py writes them`;

/** Each measure under all its names, in the order in which they are taken. */
export const MEASURES_HELP = `Measures:
${alignColumns([
  ...SECTIONS.filter((section) => !isOp(section)).map(({ answersTo, title }) => [`  ${answersTo.join(', ')}`, title]),
  ['  ops', 'every kernel at the shapes of VGG-16'],
])}
  or some of them: ${SECTIONS.filter(isOp)
    .map(({ name }) => name)
    .join(', ')}`;

export const HELP = `npm run bench -- [options]

${OPTIONS_HELP}

${MEASURES_HELP}

GRADCAM_TEST_ADAPTER chooses the adapter, as for npm test: auto (default), native, lavapipe, swiftshader.`;

/** @throws UsageError saying what was given and what is allowed */
export function readArguments(args: readonly string[]): Arguments {
  const { only, samples, quick = false, json, plot, compare, torch, help = false } = parse(args);
  const words = only?.split(',').map((word) => word.trim());
  return {
    // A plot without roofs says nothing.
    sections: words ? sectionsOf(plot === undefined ? words : [...words, 'roof']) : SECTIONS,
    asked: new Set(words),
    samples: readSamples(samples),
    effort: quick ? QUICK_EFFORT : FULL_EFFORT,
    quick,
    jsonFile: json,
    plotFile: plot,
    compareFile: compare,
    torchFile: torch,
    help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: 'string' },
        samples: { type: 'string' },
        quick: { type: 'boolean' },
        json: { type: 'string' },
        plot: { type: 'string' },
        compare: { type: 'string' },
        torch: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}. --help lists the options`, { cause });
  }
}

function sectionsOf(words: readonly string[]): Section[] {
  try {
    return chooseSections(words);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const ops = SECTIONS.filter(isOp).map(({ name }) => name);
    throw new UsageError(`--only: got "${error.message}"; allowed: ${[...WORDS, ...ops].join(', ')}`, { cause: error });
  }
}

function readSamples(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SAMPLES;
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError(`--samples: got "${text}"; allowed: a whole number, 1 to 999`);
  return Number(text);
}
