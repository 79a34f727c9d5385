/** What measuring needs of its surroundings. Nothing here knows Node or a page. */
import type * as Jax from '@jax-js/jax';
import type * as Tf from '@tensorflow/tfjs';
import type { Gpu } from '../src/gpu/gpu.ts';
import type { Clock, Effort } from './measure.ts';
import type { TorchTimes } from './measures/torch.ts';
import type { NetworkSize } from './problem.ts';
import { measureRoofs, type Roofs } from './roofs.ts';

/** Packages that load themselves on the adapter of the bench. */
export interface Peers {
  loadTfjs(): Promise<typeof Tf>;
  loadJax(): Promise<typeof Jax>;
}

export interface Bench {
  readonly gpu: Gpu;
  /** Another device of the same adapter, with kernels by rule: timings are kept by limits. The caller disposes of it. */
  openGpu(limits: 'adapter' | 'default'): Promise<Gpu>;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly effort: Effort;
  readonly quick: boolean;
  /** n, samples in a batch of the ops. */
  readonly samples: number;
  /** VGG-16 as published, or a narrow one to try the bench itself. */
  readonly size: NetworkSize;
  /** What PyTorch did with the same task on the same GPU. */
  readonly torch: TorchTimes | undefined;
  /** Tells whoever waits what is being done. */
  progress(text: string): void;
}

/** Thrown by a measure that cannot be taken here: no failure, but a reason to print. */
export class Unmeasured extends Error {}

/** What sections share: measured once, when first asked for. */
export class Session {
  readonly #bench: Bench;
  /** Sections that were asked for by name. */
  readonly asked: ReadonlySet<string>;
  #roofs: Promise<Roofs> | undefined;

  constructor(bench: Bench, asked: ReadonlySet<string> = new Set()) {
    this.#bench = bench;
    this.asked = asked;
  }

  roofs(): Promise<Roofs> {
    this.#roofs ??= measureRoofs(this.#bench);
    return this.#roofs;
  }
}
