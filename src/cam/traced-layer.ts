/** A layer's feature maps and moments in buffers of their own, to be handed out. */
import { ReleasedError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { decodeMoments } from '../ops/moments.decode.ts';
import { copySample } from '../ops/sample-mean.ts';
import type { TracedLayer, TracedTensor } from '../traced.ts';
import type { WeightedMaps } from './kept-maps.ts';

/** A layer that was handed out, and how to take it back. */
export interface HeldLayer {
  readonly layer: TracedLayer;
  /** Destroys its buffers. More than once does no harm. */
  release(): void;
}

/**
 * Copies what the sums hold so far.
 *
 * @throws LimitError when memory runs out; AbortError
 */
export async function holdLayer(
  gpu: Gpu,
  name: string,
  weighted: WeightedMaps,
  signal: AbortSignal | undefined,
): Promise<HeldLayer> {
  const { maps, height, width, samples } = weighted;
  const elements = maps * height * width;
  const held = await gpu.guard(async () => {
    const hold = (what: string) => new HeldTensor(gpu, `${name} ${what}`, [maps, height, width]);
    return {
      activations: hold('activations'),
      gradients: hold('gradients'),
      secondMoments: hold('second moments'),
      thirdMoments: hold('third moments'),
    };
  });
  const release = () => {
    for (const tensor of Object.values(held)) tensor.release();
  };
  const { activations, gradients: first, secondMoments: second, thirdMoments: third } = held;
  try {
    const sums = { sums: weighted.sums, first: first.slice, second: second.slice, third: third.slice };
    const copies = [
      copySample(elements, 0, { x: weighted.activations, total: activations.slice }),
      decodeMoments(elements, samples, sums),
    ];
    await gpu.run(copies, { signal });
  } catch (error) {
    release();
    throw error;
  }
  return { layer: { name, shape: [maps, height, width], ...held }, release };
}

class HeldTensor implements TracedTensor {
  readonly shape: TracedTensor['shape'];
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  readonly #gpu: Gpu;
  #isReleased = false;

  constructor(gpu: Gpu, label: string, shape: TracedTensor['shape']) {
    this.#gpu = gpu;
    this.shape = shape;
    this.bytes = 4 * shape[0] * shape[1] * shape[2];
    this.buffer = gpu.createBuffer(label, this.bytes);
  }

  get slice() {
    return { buffer: this.buffer, size: this.bytes };
  }

  async array(): Promise<Float32Array> {
    if (!this.#isReleased) return this.#gpu.readFloats(this.slice);
    throw new ReleasedError(
      `'${this.buffer.label}' is no longer on the GPU: it was released. Trace the picture again.`,
    );
  }

  release(): void {
    this.#isReleased = true;
    this.#gpu.pool.destroy(this.buffer);
  }
}
