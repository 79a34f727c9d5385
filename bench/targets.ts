/** What is measured and what is to be reached: one table, on CPU adapters and on GPUs. */

export interface Goal {
  /** What the project aims at. */
  readonly reach: number;
  /** What it must not fall behind. */
  readonly least: number;
}

export interface Target {
  readonly id: `m${number}`;
  /** With the id it names a row. */
  readonly measure: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly onGpu: Goal;
  readonly onCpu: Goal;
}

const everywhere = (reach: number, least: number) => ({ onGpu: { reach, least }, onCpu: { reach, least } });

/** Yes is 1. */
const YES = everywhere(1, 1);

export const TARGETS: readonly Target[] = [
  {
    id: 'm1',
    measure: 'speed against tfjs, block5_conv3',
    unit: '×',
    better: 'more',
    onGpu: { reach: 8, least: 4 },
    onCpu: { reach: 16, least: 8 },
  },
  {
    id: 'm2',
    measure: 'speed against tfjs, block1_conv1',
    unit: '×',
    better: 'more',
    onGpu: { reach: 10, least: 5 },
    onCpu: { reach: 20, least: 10 },
  },
  { id: 'm3', measure: 'speed against jax-js, block5_conv3', unit: '×', better: 'more', ...everywhere(3, 1.5) },
  { id: 'm4', measure: 'convolutions, share of the roof', unit: '%', better: 'more', ...everywhere(140, 70) },
  { id: 'm5', measure: 't(n = 50) / t(n = 1)', unit: '×', better: 'less', ...everywhere(30, 44) },
  { id: 'm6', measure: 't(5 classes) / t(1 class)', unit: '×', better: 'less', ...everywhere(1.05, 1.1) },
  { id: 'm7', measure: 'memory, block5_conv3', unit: 'MiB', better: 'less', ...everywhere(128, 256) },
  { id: 'm7', measure: 'memory, block1_conv1', unit: 'MiB', better: 'less', ...everywhere(220, 400) },
  { id: 'm8', measure: 'same bits under default limits', unit: 'yes = 1', better: 'more', ...YES },
  { id: 'm9', measure: 'dispatches, forward and backward', unit: 'per batch', better: 'less', ...everywhere(45, 60) },
  { id: 'm10', measure: "tuned speed, share of the best kernels'", unit: '%', better: 'more', ...everywhere(95, 85) },
  { id: 'm11', measure: 'speed, share of PyTorch, block5_conv3', unit: '%', better: 'more', ...everywhere(50, 25) },
  { id: 'm11', measure: 'speed, share of PyTorch, block1_conv1', unit: '%', better: 'more', ...everywhere(50, 25) },
];

/** m1 … m11. */
export const MEASURE_IDS: readonly string[] = [...new Set(TARGETS.map(({ id }) => id))];

export function findTarget(id: string, measure: string): Target | undefined {
  return TARGETS.find((target) => target.id === id && target.measure === measure);
}

export function goalOf(target: Target, isSoftware: boolean): Goal {
  return isSoftware ? target.onCpu : target.onGpu;
}

export type Verdict = 'reached' | 'at least' | 'missed';

export function verdict({ better }: Target, { reach, least }: Goal, value: number): Verdict {
  const meets = (goal: number) => (better === 'more' ? value >= goal : value <= goal);
  if (meets(reach)) return 'reached';
  return meets(least) ? 'at least' : 'missed';
}
