/** What run.sh starts in the box: finds the GPU's driver, times PyTorch if asked to, and runs the bench on that driver. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { GradcamError } from '../../src/errors.ts';
import {
  adapterTitle,
  chooseDriver,
  DRIVER_CHOICES,
  type DriverChoice,
  type DriverEnvironment,
  packagedArchive,
  quietEnvironment,
  unpackPackaged,
  userDrivers,
} from '../../src/node/adapters.ts';
import { type AdapterReport, probeAdapters } from '../../src/node/probe.ts';
import { runProgram } from '../../tools/run-program.ts';
import { UsageError } from '../arguments.ts';
import { reportFile } from '../node/report-file.ts';
import { BOX_HELP, readBoxArguments } from './arguments.ts';
import { findGpu, inspectMachine, LOADER } from './drivers.ts';

/** @param box the folder of run.sh */
async function launch(box: string, args: readonly string[]): Promise<void> {
  const results = resultsFolder(box);
  const { help, torch, bench } = readBoxArguments(args, results);
  if (help) {
    console.log(BOX_HELP);
    return;
  }
  await checkDawn();
  const { environment, adapter } = await chooseBoxDriver();
  console.error(`Adapter: ${adapter.device}, ${adapterTitle(adapter)}`);

  const timesOfTorch = torch === undefined ? [] : ['--torch', timeTorch(box, results, adapter, torch)];
  runProgram([join(import.meta.dirname, 'bench.js'), ...bench, ...timesOfTorch], {
    environment: { ...quietEnvironment(), ...environment },
  });
}

/** In the box, or where that cannot be written, in the folder from which it was called. */
function resultsFolder(box: string): string {
  const inBox = join(box, 'results');
  try {
    mkdirSync(inBox, { recursive: true });
    accessSync(inBox, constants.W_OK);
    return inBox;
  } catch {
    return process.cwd();
  }
}

/** Dawn that does not load looks like a machine without a GPU, in the child processes that try drivers. */
async function checkDawn(): Promise<void> {
  await import('webgpu').catch((cause) => {
    throw new Error(`Dawn does not load here, it needs glibc 2.34 and libstdc++ of GCC 12: ${cause.message}`, {
      cause,
    });
  });
}

/** A GPU, unless the user chose a driver. */
async function chooseBoxDriver(): Promise<{ environment: DriverEnvironment; adapter: AdapterReport }> {
  const choice = process.env.GRADCAM_TEST_ADAPTER || 'auto';
  if (!(DRIVER_CHOICES as readonly string[]).includes(choice)) {
    throw new UsageError(`GRADCAM_TEST_ADAPTER: got "${choice}"; allowed: ${DRIVER_CHOICES.join(', ')}`);
  }
  if (choice !== 'auto' || userDrivers()) return chooseDriver(choice as DriverChoice);
  // SwiftShader's archive has a loader, which serves every driver.
  const packedLoader = packagedArchive('swiftshader') && join(await unpackPackaged('swiftshader'), LOADER);
  const gpu = await findGpu(inspectMachine(packedLoader), join(import.meta.dirname, '../drivers'), probeAdapters);
  console.error(`Driver: ${gpu.name}`);
  return gpu;
}

/** @returns the file with PyTorch's times */
function timeTorch(box: string, results: string, adapter: AdapterReport, where: 'gpu' | 'cpu'): string {
  // Named, and numbered, as the report that the bench is going to write.
  const file = reportFile(results, { adapter, date: new Date().toISOString() }).replace(/\.json$/, '.torch.json');
  const python = process.env.PYTHON || 'python3';
  const args = [join(box, 'torch_task.py'), '--out', file, ...(where === 'cpu' ? ['--cpu'] : [])];
  const { status, error } = spawnSync(python, args, { stdio: 'inherit' });
  if (error) throw new Error(`${python} does not start (${error.message}); name a Python with PyTorch: PYTHON=…`);
  if (status !== 0) throw new Error(`torch_task.py failed, exit code ${status}`);
  return file;
}

const [box, ...args] = process.argv.slice(2);
try {
  await launch(box!, args);
} catch (error) {
  const { message } = error as Error;
  const isOurs = error instanceof GradcamError || error instanceof UsageError;
  console.error(isOurs || !process.env.GRADCAM_DEBUG ? `run.sh: ${message}` : error);
  process.exit(error instanceof UsageError ? 2 : 1);
}
