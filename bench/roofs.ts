/** What the adapter can do at best, measured with kernels that do nothing else: multiply-adds, loads, memory traffic. */
import type { Dispatch } from '../src/gpu/encoder.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type KernelSource, kernel } from '../src/gpu/kernel.ts';
import { source, WORKGROUP_SIZE } from '../src/ops/common.ts';
import type { Bench } from './bench.ts';
import { countedMs, type Duration, interleave } from './measure.ts';
import { type Row, row } from './report.ts';
import copySource from './shaders/copy.wgsl?raw';
import loadSource from './shaders/load.wgsl?raw';
import multiplyAddSource from './shaders/multiply-add.wgsl?raw';
import { Workbench } from './workbench.ts';

export interface Roofs {
  /** GFLOP/s, a multiply-add counted as two. */
  readonly multiplyAdd: number;
  /** GB/s from the nearest cache. */
  readonly load: number;
  /** GB/s of memory, reading, or copying with read and write added. */
  readonly bandwidth: number;
  readonly rows: readonly Row[];
}

const MULTIPLY_ADD = source('multiply-add', multiplyAddSource, { flags: { VECTORS: false, FUSED: false } });
const LOAD = source('load', loadSource, { flags: { VECTORS: false } });
const COPY = source('copy', copySource);

/** Of one round of multiply-add.wgsl: eight chains, eight times. */
const MULTIPLY_ADDS = 64;
/** Of one round of load.wgsl. */
const LOADS = 8;
/** Enough to fill any GPU. */
const WORKGROUPS = 4096;
/** 16 KiB: in the nearest cache everywhere. */
const HOT_FLOATS = 4096;
/** Larger than caches, within WebGPU's default limits, and a power of two. */
const STREAM_BYTES = 64 * 2 ** 20;
/** Of each workgroup that reads them. */
const STREAM_ROUNDS = 4;
/** Shorter runs would show the fixed cost of a submit. */
const ENOUGH_MS = 60;

interface Contestant {
  readonly dispatch: Dispatch;
  /** Floating-point operations or bytes. */
  readonly work: number;
}

/** Several forms of each, of which the best is the roof: which one that is differs between adapters. */
export async function measureRoofs({ gpu, clock, effort }: Bench): Promise<Roofs> {
  const workbench = new Workbench(gpu, 1);
  try {
    const contestants = await gpu.guard(async () => makeContestants(gpu, workbench, clock.isSoftware));
    const timers: Record<string, () => Promise<Duration>> = {};
    for (const [name, { dispatch }] of Object.entries(contestants))
      timers[name] = await workbench.timer([dispatch], ENOUGH_MS);
    const times = await interleave(timers, effort);
    const speeds = (name: string) =>
      times[name]!.map((time) => contestants[name]!.work / (countedMs(time, clock) * 1e6));
    const forms = Object.keys(contestants).map((name) => row(`roof.${name}`, kindOf(name), unitOf(name), speeds(name)));
    const best = (kind: string): Row => {
      const own = forms.filter(({ measure }) => measure === kind);
      const roof = own.reduce((a, b) => (b.value > a.value ? b : a));
      return { ...roof, id: 'roof', note: `${kind}: ${roof.id.slice(`roof.${kind} `.length)}` };
    };
    const rows = [best('multiply-add'), best('load'), best('bandwidth'), ...forms];
    const [multiplyAdd, load, bandwidth] = rows.map(({ value }) => value) as [number, number, number];
    return { multiplyAdd, load, bandwidth, rows };
  } finally {
    workbench.release();
  }
}

/** 'multiply-add vec4f fma' stands for the roof 'multiply-add'. */
function kindOf(name: string): string {
  return name.split(' ')[0]!;
}

function unitOf(name: string): string {
  return kindOf(name) === 'multiply-add' ? 'GFLOP/s' : 'GB/s';
}

/** By the roof that they stand for and their form. */
function makeContestants(gpu: Gpu, workbench: Workbench, isSoftware: boolean): Record<string, Contestant> {
  const rounds = isSoftware ? 16 : 512;
  const result = workbench.empty(WORKGROUPS * WORKGROUP_SIZE);
  const data = workbench.random(HOT_FLOATS);
  const launch = (
    from: KernelSource,
    flags: Record<string, boolean>,
    rest: Pick<Dispatch, 'bindings' | 'uniforms'>,
    work: number,
  ): Contestant => ({
    dispatch: { kernel: kernel(from, { flags }), workgroups: WORKGROUPS, flops: work, ...rest },
    work,
  });
  const invocations = WORKGROUPS * WORKGROUP_SIZE;
  const contestants: Record<string, Contestant> = {};
  for (const VECTORS of [false, true]) {
    const lanes = VECTORS ? 4 : 1;
    const form = VECTORS ? 'vec4f' : 'f32';
    for (const FUSED of [false, true]) {
      contestants[`multiply-add ${form}${FUSED ? ' fma' : ''}`] = launch(
        MULTIPLY_ADD,
        { VECTORS, FUSED },
        // A fixed point near 1, so that no value grows.
        { bindings: { result }, uniforms: { rounds, factor: 0.5, addend: 0.5 } },
        invocations * rounds * MULTIPLY_ADDS * 2 * lanes,
      );
    }
    contestants[`load ${form}`] = launch(
      LOAD,
      { VECTORS },
      { bindings: { data, result }, uniforms: { rounds, mask: HOT_FLOATS / lanes - 1, group_stride: 0 } },
      invocations * rounds * LOADS * 4 * lanes,
    );
  }
  const bytes = Math.min(STREAM_BYTES, gpu.limits.maxStorageBufferBindingSize);
  const count = bytes / 16;
  const x = workbench.random(bytes / 4);
  contestants['bandwidth copy'] = {
    dispatch: {
      kernel: kernel(COPY),
      bindings: { x, y: workbench.empty(bytes / 4) },
      uniforms: { count },
      workgroups: Math.ceil(count / WORKGROUP_SIZE),
      flops: bytes,
    },
    work: 2 * bytes,
  };
  const perRound = LOADS * WORKGROUP_SIZE;
  contestants['bandwidth read'] = {
    dispatch: {
      kernel: kernel(LOAD, { flags: { VECTORS: true } }),
      bindings: { data: x, result },
      uniforms: { rounds: STREAM_ROUNDS, mask: count - 1, group_stride: STREAM_ROUNDS * perRound },
      workgroups: count / (STREAM_ROUNDS * perRound),
      flops: bytes,
    },
    work: bytes,
  };
  return contestants;
}
