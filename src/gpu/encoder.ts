/**
 * From a list of dispatches to the GPU: one compute pass and one submit, cut into several only on an adapter so slow
 * that the whole would hold it for longer than SUBMIT_BUDGET_MS.
 */
import type { BufferSlice } from './buffers.ts';
import type { Kernel } from './kernel.ts';
import { GRID_FIELDS } from './kernel.ts';
import type { CompiledKernel, PipelineCache } from './pipelines.ts';
import type { GpuTimer } from './timing.ts';

/** One kernel launch, as data. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** A slice for each storage variable of the kernel, by its WGSL name. */
  readonly bindings: Readonly<Record<string, BufferSlice>>;
  /** A value for each field of `Params`, the grid's own two excepted. */
  readonly uniforms: Readonly<Record<string, number>>;
  /** Workgroups of the one-dimensional grid. */
  readonly workgroups: number;
  /** Arithmetic of the launch, multiply and add counted as two; used to cut submits and to report speed. */
  readonly flops: number;
}

/** A longer submit freezes the page's own frames and may wake the system's GPU watchdog. */
export const SUBMIT_BUDGET_MS = 250;
/** WebGPU's default limit of workgroups in one dimension; longer grids are folded into rows. */
const MAX_WORKGROUPS_PER_DIMENSION = 65_535;
/** Uniform bindings start at multiples of this many bytes. */
const UNIFORM_SLOT_BYTES = 256;

/** What the adapter was seen to do, in flops per millisecond: the ground on which submits are cut. */
export class Pace {
  #flopsPerMs: number;

  constructor(flopsPerMs: number) {
    this.#flopsPerMs = flopsPerMs;
  }

  get submitBudgetFlops(): number {
    return this.#flopsPerMs * SUBMIT_BUDGET_MS;
  }

  /** Learns from a submit that took `ms`; short ones tell more of latency than of speed. */
  observe(flops: number, ms: number): void {
    if (ms < 20 || flops <= 0) return;
    const seen = flops / ms;
    // Down at once, up by halves: a too long submit hurts, a too short one only costs a little.
    this.#flopsPerMs = seen < this.#flopsPerMs ? seen : (this.#flopsPerMs + seen) / 2;
  }
}

interface Launch {
  readonly compiled: CompiledKernel;
  readonly dispatch: Dispatch;
  readonly gridFirst: number;
  readonly gridEnd: number;
  readonly flops: number;
}

export class Encoder {
  readonly #device: GPUDevice;
  readonly #pipelines: PipelineCache;
  readonly #pace: Pace;
  readonly #allocateArena: (bytes: number) => GPUBuffer;
  #arena: GPUBuffer | undefined;

  constructor(
    device: GPUDevice,
    pipelines: PipelineCache,
    pace: Pace,
    /** Replaces the uniform arena by a larger one. */
    allocateArena: (bytes: number) => GPUBuffer,
  ) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#pace = pace;
    this.#allocateArena = allocateArena;
  }

  /**
   * Compiles what is not yet compiled, in parallel, then encodes and submits. Returns when everything is submitted; on
   * a slow adapter all but the last submit have then been executed.
   *
   * @param hooks.beforeSubmit called before each submit, where an abort can still stop the rest
   * @param hooks.onProgress called when a part of the work is known to be done, with its share, below 1
   * @param hooks.timer times each pass on the GPU
   */
  async run(
    dispatches: readonly Dispatch[],
    {
      beforeSubmit,
      onProgress,
      timer,
    }: { beforeSubmit?: () => void; onProgress?: (share: number) => void; timer?: GpuTimer } = {},
  ): Promise<{ submits: number }> {
    const compiled = await Promise.all(dispatches.map(({ kernel }) => this.#pipelines.get(kernel)));
    // For all in one submit: room for what is submitted together would depend on how busy the machine is.
    const arena = this.#arenaFor(dispatches.length);
    let group: Launch[] = [];
    let groupFlops = 0;
    let submits = 0;
    let doneFlops = 0;
    const totalFlops = dispatches.reduce((sum, { flops }) => sum + flops, 0);
    const submit = async (isLast: boolean) => {
      beforeSubmit?.();
      const started = performance.now();
      this.#submit(group, arena, timer);
      submits++;
      if (!isLast) {
        await this.#device.queue.onSubmittedWorkDone();
        this.#pace.observe(groupFlops, performance.now() - started);
        doneFlops += groupFlops;
        onProgress?.(doneFlops / totalFlops);
      }
      group = [];
      groupFlops = 0;
    };
    for (const [i, dispatch] of dispatches.entries()) {
      let gridFirst = 0;
      while (gridFirst < dispatch.workgroups) {
        const flopsPerWorkgroup = dispatch.flops / dispatch.workgroups;
        const room = this.#pace.submitBudgetFlops - groupFlops;
        const remaining = dispatch.workgroups - gridFirst;
        const fits = flopsPerWorkgroup > 0 ? Math.floor(room / flopsPerWorkgroup) : remaining;
        if (fits < remaining && group.length > 0) {
          // Cut between layers where that is enough; only a layer longer than the budget is itself cut.
          await submit(false);
          continue;
        }
        const count = Math.min(remaining, Math.max(1, fits));
        const flops = flopsPerWorkgroup * count;
        group.push({ compiled: compiled[i], dispatch, gridFirst, gridEnd: gridFirst + count, flops });
        groupFlops += flops;
        gridFirst += count;
      }
    }
    if (group.length > 0) await submit(true);
    return { submits };
  }

  /** Room for the uniforms of so many launches. */
  #arenaFor(launches: number): GPUBuffer {
    const bytes = launches * UNIFORM_SLOT_BYTES;
    if (!this.#arena || this.#arena.size < bytes) this.#arena = this.#allocateArena(bytes);
    return this.#arena;
  }

  #submit(launches: readonly Launch[], arena: GPUBuffer, timer: GpuTimer | undefined): void {
    const device = this.#device;
    const words = new ArrayBuffer(launches.length * UNIFORM_SLOT_BYTES);
    const view = new DataView(words);
    launches.forEach((launch, i) => {
      writeUniforms(view, i * UNIFORM_SLOT_BYTES, launch);
    });
    // The queue runs this write after the submits before it, so one arena serves them all.
    device.queue.writeBuffer(arena, 0, words);

    const label = launches.length === 1 ? launches[0].compiled.label : `${launches.length} dispatches`;
    const commands = device.createCommandEncoder({ label });
    const pass = commands.beginComputePass({ label, timestampWrites: timer?.nextPass() });
    launches.forEach((launch, i) => {
      this.#encode(pass, launch, { buffer: arena, offset: i * UNIFORM_SLOT_BYTES });
    });
    pass.end();
    device.queue.submit([commands.finish({ label })]);
  }

  #encode(pass: GPUComputePassEncoder, launch: Launch, uniforms: BufferSlice): void {
    const { compiled, dispatch } = launch;
    const { storage, uniformBinding, uniformFields } = compiled.interface;
    const entries: GPUBindGroupEntry[] = [];
    for (const [name, { binding }] of storage) {
      const slice = dispatch.bindings[name];
      if (!slice) throw new Error(`kernel ${compiled.label} needs a buffer for '${name}'`);
      entries.push({ binding, resource: toBinding(slice) });
    }
    for (const name of Object.keys(dispatch.bindings)) {
      if (!storage.has(name)) throw new Error(`kernel ${compiled.label} has no storage variable '${name}'`);
    }
    entries.push({
      binding: uniformBinding,
      resource: { buffer: uniforms.buffer, offset: uniforms.offset, size: Math.ceil(uniformFields.length / 4) * 16 },
    });
    const { label, layout, pipeline } = compiled;
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, this.#device.createBindGroup({ label, layout, entries }));
    pass.dispatchWorkgroups(...foldGrid(launch.gridEnd - launch.gridFirst));
  }
}

/** The one place where a long grid becomes rows; kernels undo it with workgroup_index() of shaders/lib/grid.wgsl. */
export function foldGrid(workgroups: number): [x: number, y: number] {
  if (workgroups <= MAX_WORKGROUPS_PER_DIMENSION) return [workgroups, 1];
  const rows = Math.ceil(workgroups / MAX_WORKGROUPS_PER_DIMENSION);
  return [Math.ceil(workgroups / rows), rows];
}

function writeUniforms(view: DataView, at: number, { compiled, dispatch, gridFirst, gridEnd }: Launch): void {
  const values: Record<string, number> = { ...dispatch.uniforms, grid_first: gridFirst, grid_end: gridEnd };
  const { uniformFields } = compiled.interface;
  if (Object.keys(dispatch.uniforms).length !== uniformFields.length - GRID_FIELDS.length) {
    const fields = uniformFields.map(({ name }) => name).join(', ');
    throw new Error(`kernel ${compiled.label} has the uniforms ${fields}; got ${Object.keys(dispatch.uniforms)}`);
  }
  uniformFields.forEach(({ name, type }, i) => {
    const value = values[name];
    if (value === undefined) throw new Error(`kernel ${compiled.label} needs a value for uniform '${name}'`);
    const offset = at + 4 * i;
    if (type === 'f32') view.setFloat32(offset, value, true);
    else if (type === 'i32') view.setInt32(offset, value, true);
    else view.setUint32(offset, value, true);
  });
}

function toBinding({ buffer, offset = 0, size }: BufferSlice): GPUBufferBinding {
  return { buffer, offset, size: size ?? buffer.size - offset };
}
