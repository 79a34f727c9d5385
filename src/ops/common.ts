/** What the launchers share. */
import gridLib from '../../shaders/lib/grid.wgsl?raw';
import type { Dispatch } from '../gpu/encoder.ts';
import { type KernelSource, kernel, type WgslText } from '../gpu/kernel.ts';

/** Of a layer: its output from its input, or the gradient with respect to its input from that of its output. */
export type Direction = 'forward' | 'grad-input';

/** Invocations of a workgroup in every kernel that has no reason for another number. */
export const WORKGROUP_SIZE = 64;

/**
 * A kernel source on top of the grid library, which every kernel needs. What most first maps do without is imported when it is
 * needed, `() => import('….wgsl?raw')`, and has its place in tools/kernel-chunks.ts.
 */
export function source(
  name: string,
  code: WgslText,
  { libs = [], flags }: { libs?: readonly WgslText[]; flags?: Record<string, boolean> } = {},
): KernelSource {
  return { name, code, libs: [gridLib, ...libs], flags };
}

/** A dispatch with one invocation for each of `invocations` elements. */
export function elementwise(
  from: KernelSource,
  invocations: number,
  launch: Pick<Dispatch, 'bindings' | 'uniforms'> & {
    flags?: Record<string, boolean>;
    constants?: Record<string, number>;
    /** Arithmetic or memory work of one invocation, in flops. */
    flopsEach?: number;
  },
): Dispatch {
  return {
    kernel: kernel(from, { flags: launch.flags, constants: launch.constants }),
    bindings: launch.bindings,
    uniforms: launch.uniforms,
    workgroups: Math.ceil(invocations / WORKGROUP_SIZE),
    flops: invocations * (launch.flopsEach ?? MEMORY_FLOPS),
  };
}

/** What loading and storing one element costs, in units of the arithmetic that takes as long. */
export const MEMORY_FLOPS = 20;
