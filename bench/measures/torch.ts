/** m11: the same task in PyTorch on the same GPU, whose times come in a file. */
import { type Bench, Unmeasured } from '../bench.ts';
import { interleave, summarize, timed } from '../measure.ts';
import { OwnExplainer } from '../peers/own.ts';
import { makeProblem } from '../problem.ts';
import { type Row, row, targetRow, timeRows } from '../report.ts';

/** What the PyTorch program writes: milliseconds of each run of the task. */
export interface TorchTimes {
  /** Its name of the GPU. */
  readonly device: string;
  readonly layer: string;
  readonly samples: number;
  /** float32 with TF32 off. */
  readonly float32Ms: readonly number[];
  readonly tf32Ms?: readonly number[];
}

/** @throws Error saying what is missing */
export function parseTorchTimes(text: string): TorchTimes {
  const times = JSON.parse(text) as Partial<TorchTimes>;
  const isTimes = (values: unknown) => Array.isArray(values) && values.length > 0 && values.every((ms) => ms > 0);
  if (typeof times.device !== 'string') throw new Error('it has no device');
  if (typeof times.layer !== 'string') throw new Error('it has no layer');
  if (!Number.isInteger(times.samples) || times.samples! < 1)
    throw new Error('its samples are no whole number above 0');
  if (!isTimes(times.float32Ms)) throw new Error('its float32Ms is no list of milliseconds');
  if (times.tf32Ms !== undefined && !isTimes(times.tf32Ms)) throw new Error('its tf32Ms is no list of milliseconds');
  return times as TorchTimes;
}

export async function measureTorch({ gpu, clock, size, effort, torch }: Bench): Promise<Row[]> {
  if (!torch) throw new Unmeasured('needs the times of PyTorch on this GPU: --torch FILE');
  const { layer, samples, device } = torch;
  const ours = await OwnExplainer.create(gpu, makeProblem(size, { head: 'classifier', layer, samples }));
  try {
    await ours.explain();
    const { own } = await interleave({ own: () => timed(() => ours.explain()) }, effort);
    const id = `torch.${layer}.n${samples}`;
    const note = `n = ${samples}, ${layer}; PyTorch in a process of its own on ${device}`;
    const theirs = summarize(torch.float32Ms).median;
    return [
      targetRow(
        'm11',
        'speed, share of PyTorch float32',
        own.map(({ ms }) => (100 * theirs) / ms),
        { isSoftware: clock.isSoftware, note },
      ),
      ...timeRows(id, own, gpu.adapterInfo, 'ours'),
      row(id, 'PyTorch float32', 'ms', torch.float32Ms),
      ...(torch.tf32Ms ? [row(id, 'PyTorch TF32', 'ms', torch.tf32Ms)] : []),
    ];
  } finally {
    ours.dispose();
  }
}
