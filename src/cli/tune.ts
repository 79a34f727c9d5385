/** `gradcam tune` times kernels for later calls, `gradcam doctor --tuning` shows what is kept. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { Option } from 'commander';
import { GradcamError } from '../errors.ts';
import { bestOf, type CandidateTiming, type Tuning } from '../gpu/contest.ts';
import { Graph } from '../network/graph.ts';
import { findModel, modelTable } from '../network/models.ts';
import { tuneJob } from '../network/tune.ts';
import { adapterTitle } from '../node/adapters.ts';
import { makeFolder } from '../node/output.ts';
import { readAllTunings, tuningFolder } from '../node/tuning-files.ts';
import { askedBy } from '../tune.ts';
import type { Context } from './context.ts';
import { checkOptions } from './explain.ts';
import { commonOptions, DEFAULT_MODEL, type ExplainFlags, explainOnlyOptions } from './flags.ts';
import { toJson } from './result.ts';
import { openGpu } from './setup.ts';

const SHARED = ['layer', 'samples', 'precision', 'adapter', 'limits', 'json', 'quiet'] as const;

export type TuneFlags = Pick<ExplainFlags, 'model' | (typeof SHARED)[number]> & {
  again?: boolean;
};

export function tuneOptions(): Option[] {
  return [
    new Option('--model <name>', `network; its weights are not needed (default: ${DEFAULT_MODEL})`),
    ...[...explainOnlyOptions(), ...commonOptions()].filter((option) =>
      SHARED.some((name) => name === option.attributeName()),
    ),
    new Option('--again', 'time also what has timings already'),
  ];
}

/** What a choice depends on is the network's shapes: no weights are loaded. */
export async function tuneCommand(flags: TuneFlags, { terminal, signal }: Context): Promise<void> {
  const graph = new Graph(modelTable(findModel(flags.model ?? DEFAULT_MODEL), {}));
  const options = checkOptions({ layerName: flags.layer, nSamples: flags.samples }, graph);
  await checkFolder();
  const gpu = await openGpu(flags);
  try {
    const started = performance.now();
    const bar = terminal.progress('kernels', String);
    let timed = 0;
    // Convolutions are the same in both conventions.
    const job = { graph, convention: 'keras', precision: flags.precision, ...askedBy(options) } as const;
    const tunings = await tuneJob(gpu, job, {
      signal,
      again: flags.again,
      onProgress: ({ done, total }) => {
        timed = done;
        bar.update(done, total);
      },
    }).finally(() => bar.stop());
    const seconds = (performance.now() - started) / 1000;
    if (flags.json) return terminal.print(toJson({ adapter: gpu.adapterInfo, seconds, tunings }));
    terminal.print(
      `${graph.name} at ${options.layerName}, n = ${options.nSamples}, on ${adapterTitle(gpu.adapterInfo)}`,
    );
    terminal.print(describeTunings(tunings));
    terminal.print(LEGEND);
    const outcome =
      timed > 0
        ? `${timed} of ${tunings.length} shapes timed in ${seconds.toFixed(1)} s`
        : 'Every shape had timings already: --again makes them anew';
    terminal.print(`${outcome}; kept in ${tuningFolder()}`);
  } finally {
    gpu.dispose();
  }
}

/** The tuner goes on without a store that fails, but here keeping is all that is asked for. */
async function checkFolder(): Promise<void> {
  const folder = tuningFolder();
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (cause) {
    const { message } = cause as Error;
    const text = `timings cannot be kept in ${folder}; GRADCAM_CACHE names another place: ${message}`;
    throw new GradcamError('output', text, { cause });
  }
}

/** `gradcam doctor --tuning`: every timing that is kept, of every adapter. */
export async function tuningReport(flags: { json?: boolean }, { terminal }: Context): Promise<void> {
  const kept = await readAllTunings();
  if (flags.json) return terminal.print(toJson({ folder: tuningFolder(), kept }));
  for (const { subject, tunings } of kept) {
    terminal.print(`${subject.adapter}; ${subject.library}`);
    terminal.print(describeTunings(tunings));
  }
  if (kept.length === 0) return terminal.print(`No timings are kept in ${tuningFolder()}. "gradcam tune" makes them.`);
  terminal.print(LEGEND);
  terminal.print(`Kept in ${tuningFolder()}, a file for each adapter, set of limits and version.`);
}

const LEGEND =
  '> is taken: the fastest, or the best guess where none is clearly faster. Slow kernels were dropped after fewer runs; ' +
  'errors are shares of the greatest value.';

/** A line for each candidate, the chosen one marked. */
function describeTunings(tunings: readonly Tuning[]): string {
  const lines = tunings.flatMap((tuning) => {
    const { key, measuredOn, candidates } = tuning;
    const names = candidates.map(({ name }) => name);
    const best = bestOf(tuning, names);
    return [
      `${key}, measured on ${measuredOn}`,
      ...candidates.map(
        (each) => `${each.name === best ? ' >' : '  '} ${each.name.padEnd(26)} ${describeTiming(each)}`,
      ),
    ];
  });
  return lines.join('\n');
}

function describeTiming({ ms, error, disqualified }: CandidateTiming): string {
  if (disqualified !== undefined) return `out: ${disqualified}`;
  const times = ms.map((time) => time.toPrecision(3)).join(', ');
  return `${times} ms; error ${error ? error.toExponential(0) : (error ?? 'unknown')}`;
}
