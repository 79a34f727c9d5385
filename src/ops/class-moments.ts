/** Central moments of the gradients of all classes, which softmax's second and third derivative are made of. */
import powerLib from '../../shaders/lib/power-of-two.wgsl?raw';
import type { BufferSlice } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/encoder.ts';
import { elementwise, MEMORY_FLOPS, source } from './common.ts';
import { CLASS_MOMENT_FLOATS } from './moments.ts';

const classMomentsSource = () => import('../../shaders/ops/class-moments.wgsl?raw');

const CLASS_MOMENTS = source('class-moments', classMomentsSource, { libs: [powerLib] });

/**
 * Adds one class of each sample to `moments` [samples, elements, 3]: v = Σ_j p_j w_j² and m3 = Σ_j p_j w_j³ with w_j = g_j − ḡ,
 * the gradient of log p_j, in `grad` [samples, elements]; `restart` begins anew. The probability p_j of sample m's class is
 * probabilities[first + m]; a class of probability 0 adds nothing.
 */
export function classMoments(
  elements: number,
  samples: number,
  {
    grad,
    probabilities,
    moments,
    first,
    restart,
  }: { grad: BufferSlice; probabilities: BufferSlice; moments: BufferSlice; first: number; restart: boolean },
): Dispatch {
  return elementwise(CLASS_MOMENTS, samples * elements, {
    bindings: { grad, probabilities, class_moments: moments },
    uniforms: { samples, elements, first, restart: restart ? 1 : 0 },
    flopsEach: CLASS_MOMENT_FLOATS * MEMORY_FLOPS,
  });
}
