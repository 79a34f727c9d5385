/** `npm run bench`: measures this library and its peer in one process on one adapter. Exit 0 done, 1 failed, 2 wrong call. */
import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { dirname, resolve } from 'node:path';
import { GpuUnavailableError } from '../src/errors.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { adapterTitle } from '../src/node/adapters.ts';
import { chooseDawnAdapter, type DawnAdapter, openDawnGpu } from '../src/node/dawn.ts';
import { type Arguments, HELP, readArguments, UsageError } from './arguments.ts';
import { OPS } from './ops.ts';
import { runPeer } from './peer.ts';
import { formatTable, type Report, type Row } from './report.ts';
import { runOp } from './run-ops.ts';
import { runTask } from './task.ts';

async function main(): Promise<void> {
  const options = readArguments(process.argv.slice(2), Object.keys(OPS));
  if (options.help) {
    console.log(HELP);
    return;
  }
  // Before the work, which may take long.
  if (options.jsonFile !== undefined) await checkWritable(options.jsonFile);
  const adapter = await requestAdapter();
  const gpu = await openDawnGpu(adapter);
  console.log(`${adapterTitle(gpu.adapterInfo)}; ${runtime()}`);
  noteBusyMachine();

  const date = new Date().toISOString();
  const rows: Row[] = [];
  for (const { title, run } of sections(options, gpu, adapter)) {
    // To standard error: what is printed to standard output is the result.
    console.error(`${title} …`);
    const own = await run();
    console.log(formatTable(own));
    rows.push(...own);
  }
  const report: Report = { adapter: gpu.adapterInfo, runtime: runtime(), date, rows };
  if (options.jsonFile !== undefined) await writeFile(options.jsonFile, `${JSON.stringify(report, undefined, 1)}\n`);
}

interface Section {
  readonly title: string;
  run(): Promise<Row[]>;
}

function sections({ ops, task, peer, samples, effort }: Arguments, gpu: Gpu, adapter: DawnAdapter): Section[] {
  const list: Section[] = ops.map((stem) => ({
    title: `op ${stem}`,
    run: () => runOp(gpu, stem, samples, effort),
  }));
  if (task) list.push({ title: 'Smooth Grad-CAM++ on VGG-16', run: () => runTask(gpu, samples, effort) });
  if (peer) list.push({ title: 'tfjs-backend-webgpu', run: () => runPeer(gpu, adapter, samples, effort) });
  return list;
}

async function requestAdapter(): Promise<DawnAdapter> {
  const choice = await chooseDawnAdapter();
  if (choice.do === 'use') return choice.adapter;
  throw new GpuUnavailableError(
    choice.do === 'fail' ? choice.message : 'Dawn finds no adapter in this process; start it with npm run bench',
  );
}

async function checkWritable(file: string): Promise<void> {
  const folder = dirname(resolve(file));
  await access(folder, constants.W_OK).catch(() => {
    throw new UsageError(`--json: cannot write into ${folder}`);
  });
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

let exitCode = 0;
try {
  await main();
} catch (error) {
  console.error(error instanceof UsageError ? `bench: ${error.message}` : error);
  exitCode = error instanceof UsageError ? 2 : 1;
}
await Promise.all([drained(process.stdout), drained(process.stderr)]);
// Dawn's threads would keep the process alive for a while.
process.exit(exitCode);
