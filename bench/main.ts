/** `npm run bench`: measures this library and its peers in one process on one adapter. Exit 0 done, 1 failed, 2 wrong call. */
import { constants, writeFileSync } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { dirname, resolve } from 'node:path';
import { GpuUnavailableError } from '../src/errors.ts';
import { adapterTitle } from '../src/node/adapters.ts';
import { chooseDawnAdapter, type DawnAdapter, openDawnGpu, requestNodeGpu } from '../src/node/dawn.ts';
import { HELP, readArguments, UsageError } from './arguments.ts';
import type { Bench } from './bench.ts';
import { formatComparison, parseReport } from './compare.ts';
import { parseTorchTimes } from './measures/torch.ts';
import { dawnPeers } from './node/peers.ts';
import { isFolder, reportFile } from './node/report-file.ts';
import { FULL_SIZE } from './problem.ts';
import { adapterName, formatTable, formatTargets, type Report, type Versions } from './report.ts';
import { rooflineSvg } from './roofline.ts';
import { runSections, skip } from './sections.ts';

/** Made by the build, see node/versions.ts. */
declare const BENCH_VERSIONS: Versions;

/** @returns the exit code */
async function main(): Promise<number> {
  const options = readArguments(process.argv.slice(2));
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  // Before the work, which may take long.
  await checkWritable('--json', options.jsonFile);
  await checkWritable('--plot', options.plotFile);
  const earlier = await readOption('--compare', options.compareFile, parseReport);
  const torch = await readOption('--torch', options.torchFile, parseTorchTimes);

  const adapter = await requestAdapter();
  const gpu = await openDawnGpu(adapter, { precision: adapter.adapter.features.has('shader-f16') ? 'f16' : 'f32' });
  console.log(`${adapterTitle(gpu.adapterInfo)}; ${runtime()}`);
  noteBusyMachine();

  const { samples, effort, quick, sections, asked } = options;
  const bench: Bench = {
    gpu,
    openGpu: (limits) => requestNodeGpu({ limits, tune: 'off' }),
    peers: dawnPeers(adapter),
    clock: { isSoftware: gpu.adapterInfo.isFallback, cores: availableParallelism() },
    samples,
    effort,
    quick,
    size: FULL_SIZE,
    torch,
    // To standard error: what is printed to standard output is the result.
    progress: (text) => console.error(`${text} …`),
  };
  const begun = {
    versions: BENCH_VERSIONS,
    adapter: gpu.adapterInfo,
    runtime: runtime(),
    date: new Date().toISOString(),
  };
  const outputs: Outputs = {
    jsonFile: options.jsonFile && reportFile(options.jsonFile, begun),
    plotFile: options.plotFile,
    earlier,
  };
  const reportOf = ({ rows, skipped }: Found): Report => ({ ...begun, rows, skipped });

  let done = 0;
  let sofar: Found = { rows: [], skipped: [] };
  const interrupt = () => {
    const missing = sections.slice(done).flatMap((section) => skip(section, 'interrupted'));
    conclude(reportOf({ rows: sofar.rows, skipped: [...sofar.skipped, ...missing] }), outputs);
    process.exit(130);
  };
  // Not once: Ctrl+C arrives twice, from the terminal and from the process that started this one.
  process.on('SIGINT', interrupt);
  const findings = await runSections(bench, sections, {
    asked,
    onSection: (own, found) => {
      if (own.length > 0) console.log(formatTable(own));
      done++;
      sofar = found;
      // A run that is killed leaves what it has.
      save(reportOf(found), outputs);
    },
  });
  process.off('SIGINT', interrupt);
  for (const { section, error } of findings.failures) console.error(`${section} failed:`, error);
  conclude(reportOf(findings), outputs);
  return findings.failures.length > 0 ? 1 : 0;
}

type Found = Pick<Report, 'rows' | 'skipped'>;

/** What becomes of a report besides what is printed. */
interface Outputs {
  readonly jsonFile: string | undefined;
  readonly plotFile: string | undefined;
  readonly earlier: Report | undefined;
}

function save(report: Report, { jsonFile }: Outputs): void {
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(report, undefined, 1)}\n`);
}

function conclude(report: Report, outputs: Outputs): void {
  const { jsonFile, plotFile, earlier } = outputs;
  const { adapter, rows, skipped } = report;
  save(report, outputs);
  const targets = formatTargets(rows, skipped);
  if (targets) console.log(`\n${targets}`);
  if (earlier) console.log(`\n${formatComparison(earlier, report)}`);
  if (jsonFile !== undefined) console.error(`Written: ${jsonFile}`);
  if (plotFile === undefined) return;
  const plot = rooflineSvg(rows, `Roofline: ${adapterName(adapter)}`);
  if (plot) writeFileSync(plotFile, `${plot}\n`);
  else console.error('No plot: it needs the roofs, and they were not measured.');
}

async function requestAdapter(): Promise<DawnAdapter> {
  // With what kernels in float16 take, where there is such.
  const choice = await chooseDawnAdapter(undefined, 'f16');
  if (choice.do === 'use') return choice.adapter;
  throw new GpuUnavailableError(
    choice.do === 'fail' ? choice.message : 'Dawn finds no adapter in this process; start it with npm run bench',
  );
}

async function checkWritable(option: string, file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const folder = isFolder(file) ? file : dirname(resolve(file));
  await access(folder, constants.W_OK).catch(() => {
    throw new UsageError(`${option}: cannot write into ${folder}`);
  });
}

async function readOption<T>(option: string, file: string | undefined, parse: (text: string) => T) {
  if (file === undefined) return undefined;
  try {
    return parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new UsageError(`${option}: cannot use ${file}: ${(cause as Error).message}`, { cause });
  }
}

function runtime(): string {
  return `Node ${process.version}, ${process.platform} ${process.arch}, ${availableParallelism()} cores`;
}

/** A software adapter shares its cores with everything else that runs. */
function noteBusyMachine(): void {
  const [load] = loadavg();
  if (load! > 0.5) {
    console.log(
      `This machine was busy (load ${load!.toFixed(1)}): trust ratios more than times, and the spread of both.`,
    );
  }
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((done) => {
    stream.write('', () => done());
  });
}

let exitCode: number;
try {
  exitCode = await main();
} catch (error) {
  console.error(error instanceof UsageError ? `bench: ${error.message}` : error);
  exitCode = error instanceof UsageError ? 2 : 1;
}
await Promise.all([drained(process.stdout), drained(process.stderr)]);
// Dawn's threads would keep the process alive for a while.
process.exit(exitCode);
