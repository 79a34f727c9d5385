/** The bench's command line. */
import { parseArgs } from 'node:util';
import type { Effort } from './measure.ts';

export interface Arguments {
  /** Stems of the ops to time. */
  readonly ops: readonly string[];
  readonly task: boolean;
  readonly peer: boolean;
  /** n, samples in a batch. */
  readonly samples: number;
  readonly effort: Effort;
  readonly jsonFile: string | undefined;
  readonly help: boolean;
}

/** A call that cannot be followed. */
export class UsageError extends Error {}

const FULL: Effort = { runs: 5, budgetMs: 600_000 };
const QUICK: Effort = { runs: 2, budgetMs: 60_000 };
const DEFAULT_SAMPLES = 4;
const SECTIONS = ['ops', 'task', 'peer'];

export const HELP = `npm run bench -- [options]

  --only LIST     comma-separated: ${SECTIONS.join(', ')}, or one op such as ops.conv2d; default: everything
  --samples N     samples in a batch; default ${DEFAULT_SAMPLES}
  --quick         ${QUICK.runs} runs of each instead of ${FULL.runs}: to see that it works, not to quote
  --json FILE     also write {adapter, runtime, date, rows}

GRADCAM_TEST_ADAPTER chooses the adapter, as for npm test: auto (default), native, lavapipe, swiftshader.`;

/** @throws UsageError saying what was given and what is allowed */
export function readArguments(args: readonly string[], opStems: readonly string[]): Arguments {
  const { only, samples, quick, json, help } = parse(args);
  const wanted = (only ?? SECTIONS.join(',')).split(',').map((name) => name.trim());
  for (const name of wanted) {
    const known = SECTIONS.includes(name) || opStems.some((stem) => name === `ops.${stem}`);
    if (!known) {
      const ops = opStems.map((stem) => `ops.${stem}`).join(', ');
      throw new UsageError(`--only: got "${name}"; allowed: ${SECTIONS.join(', ')}, ${ops}`);
    }
  }
  return {
    ops: opStems.filter((stem) => wanted.includes('ops') || wanted.includes(`ops.${stem}`)),
    task: wanted.includes('task'),
    peer: wanted.includes('peer'),
    samples: readSamples(samples),
    effort: quick ? QUICK : FULL,
    jsonFile: json,
    help: help === true,
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
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function readSamples(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SAMPLES;
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError(`--samples: got "${text}"; allowed: a whole number, 1 to 999`);
  return Number(text);
}
