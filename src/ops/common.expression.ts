/** What the kernels share that take an expression of the caller's. */
import type { KernelSource } from '../gpu/kernel.ts';

const decodeMomentsLib = () => import('../../shaders/lib/decode-moments.wgsl?raw');

/** A WGSL expression of the caller's that gives a cell of a feature map its weight. */
export interface CellExpression {
  /** Whose it is, for messages. */
  readonly name: string;
  /** Of a, d1, d2, d3, sum_a and cells; see defineMethod(). */
  readonly text: string;
}

/** A kernel source that calls cell_weight(): the expression as a function. */
export function withExpression(from: KernelSource, { name, text }: CellExpression): KernelSource {
  const code = `
fn cell_weight(a: f32, moments: vec3f, sum_a: f32, cells: f32) -> f32 {
  let d1 = moments.x;
  let d2 = moments.y;
  let d3 = moments.z;
  return ${text};
}`;
  return { ...from, name: `${from.name} of ${name}`, libs: [...(from.libs ?? []), decodeMomentsLib, code] };
}
