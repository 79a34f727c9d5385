/** m11: the same task in PyTorch on the same GPU, whose times come in a file. */
import { type Bench, Unmeasured } from '../bench.ts';
import { interleave, summarize, timed } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { adapterName, type Row, row, targetRow, timeRows } from '../report.ts';
import { LAYERS } from './task.ts';

type Layer = (typeof LAYERS)[number];

/** What bench/box/torch_task.py writes. */
export interface TorchTimes {
  /** PyTorch's name of the GPU. */
  readonly device: string;
  /** 'PyTorch 2.4.1, CUDA 12.4, cuDNN 90100'. */
  readonly software: string;
  readonly tasks: readonly TorchTask[];
}

/** Milliseconds of each run of the task at one layer. */
export interface TorchTask {
  readonly layer: Layer;
  /** n noisy copies. */
  readonly samples: number;
  /** float32 with TF32 off. */
  readonly float32Ms: readonly number[];
  /** With TF32 on, where the GPU has it. */
  readonly tf32Ms?: readonly number[];
}

/** @throws Error saying what is missing */
export function parseTorchTimes(text: string): TorchTimes {
  const times = JSON.parse(text) as Partial<TorchTimes>;
  if (typeof times.device !== 'string') throw new Error('it has no device');
  if (typeof times.software !== 'string') throw new Error('it has no software');
  if (!Array.isArray(times.tasks) || times.tasks.length === 0) throw new Error('it has no tasks');
  for (const task of times.tasks as Partial<TorchTask>[]) checkTask(task);
  return times as TorchTimes;
}

function checkTask({ layer, samples, float32Ms, tf32Ms }: Partial<TorchTask>): void {
  const isTimes = (values: unknown) => Array.isArray(values) && values.length > 0 && values.every((ms) => ms > 0);
  if (!LAYERS.includes(layer!)) throw new Error(`its layer is ${layer}; allowed: ${LAYERS.join(', ')}`);
  if (!Number.isInteger(samples) || samples! < 1) throw new Error('its samples are no whole number above 0');
  if (!isTimes(float32Ms)) throw new Error('its float32Ms is no list of milliseconds');
  if (tf32Ms !== undefined && !isTimes(tf32Ms)) throw new Error('its tf32Ms is no list of milliseconds');
}

export async function measureTorch(bench: Bench): Promise<Row[]> {
  const { gpu, size, torch } = bench;
  if (!torch) throw new Unmeasured('needs the times of PyTorch on this GPU: --torch FILE');
  const [{ layer, samples }] = torch.tasks as [TorchTask];
  const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer, samples }));
  try {
    const rows: Row[] = [];
    for (const task of torch.tasks) rows.push(...(await compare(bench, ours, torch, task)));
    return rows;
  } finally {
    ours.dispose();
  }
}

async function compare(
  { gpu, clock, effort, progress }: Bench,
  ours: OwnExplainer,
  { device, software }: TorchTimes,
  { layer, samples, float32Ms, tf32Ms }: TorchTask,
): Promise<Row[]> {
  progress(`PyTorch: ${layer}`);
  const work = () => ours.explainWith({ layerName: layer, nSamples: samples });
  await work();
  const { own } = await interleave({ own: () => timed(work) }, effort);
  const id = `torch.${layer}.n${samples}`;
  // Both names of the GPU, for readers to see that it is the same one.
  const mine = gpu.adapterInfo.device || adapterName(gpu.adapterInfo);
  const note = `n = ${samples}; ours on ${mine}; ${software} in a process of its own on ${device}, TF32 off`;
  const share = (theirs: readonly number[]) => {
    const { median } = summarize(theirs);
    return own.map(({ ms }) => (100 * median) / ms);
  };
  return [
    targetRow('m11', `speed, share of PyTorch, ${layer}`, share(float32Ms), { isSoftware: clock.isSoftware, note }),
    ...timeRows(id, own, gpu.adapterInfo, 'ours'),
    row(id, 'PyTorch float32', 'ms', float32Ms),
    ...(tf32Ms ? [row(id, 'PyTorch TF32', 'ms', tf32Ms), row(id, 'speed, share of TF32', '%', share(tf32Ms))] : []),
  ];
}
