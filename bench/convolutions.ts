/** VGG-16's convolutions, ReLUs and pools without the classifier: work that this library and its peers have in common. */
import type { BufferSlice } from '../src/gpu/buffers.ts';
import type { Dispatch } from '../src/gpu/encoder.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { elementsOf, type FeatureShape, Graph } from '../src/network/graph.ts';
import { Parameters } from '../src/network/parameters.ts';
import { convolutionsBehind, type Plan, planExplanation } from '../src/network/plan.ts';
import { randomWeights } from '../src/network/random.ts';
import {
  activationSlice,
  forwardStep,
  gradientSlice,
  gradientStep,
  maskStep,
  type RunContext,
  reluGradientStep,
} from '../src/network/run.ts';
import { vgg } from '../src/network/vgg.ts';

/** Behind it lies the last block, whose backward pass every explanation of a layer before it goes through. */
export const LAST_BLOCK_INPUT = 'block4_pool';

/** Values of a layer's output or its gradient, [samples, C, H, W]. */
export interface Tensor {
  readonly shape: readonly [samples: number, ...FeatureShape];
  readonly data: Float32Array;
}

/** What is compared: each call does the work on the GPU and reads the result back. */
export interface Convolutions {
  /** From the network's input to the output of the last pool, [samples, C, H, W]. */
  forward(input: Tensor): Promise<Float32Array>;
  /** Forward through the last block, then from the gradient of its output to that of its input, [samples, C, H, W]. */
  lastBlockGradient(input: Tensor, gradient: Tensor): Promise<Float32Array>;
}

const SEED = 0;

export function convolutionGraph(): Graph {
  const { nodes, ...table } = vgg('vgg16');
  const end = nodes.findIndex(({ op }) => op === 'flatten');
  return new Graph({ ...table, name: 'the convolutions of vgg16', nodes: nodes.slice(0, end) });
}

/** The weights of all sides, in Keras's layout. */
export function convolutionWeights(graph: Graph) {
  return randomWeights(graph, SEED);
}

/** This library's, by the plan and the steps of its explanations, without their noise and moments. */
export class OwnConvolutions implements Convolutions {
  readonly #parameters: Parameters;
  readonly #graph: Graph;
  readonly #gpu: Gpu;
  /** Buffers of the jobs, by target and batch. */
  readonly #contexts = new Map<string, RunContext>();

  private constructor(gpu: Gpu, graph: Graph, parameters: Parameters) {
    this.#gpu = gpu;
    this.#graph = graph;
    this.#parameters = parameters;
  }

  static async create(gpu: Gpu): Promise<OwnConvolutions> {
    const graph = convolutionGraph();
    const parameters = await Parameters.load(gpu, graph, convolutionWeights(graph));
    await parameters.prepareGradients(convolutionsBehind(graph, LAST_BLOCK_INPUT));
    return new OwnConvolutions(gpu, graph, parameters);
  }

  async forward(input: Tensor): Promise<Float32Array> {
    const [samples] = input.shape;
    const context = await this.#context(undefined, samples);
    this.#write(activationSlice(context, this.#graph.input.name), input);
    await this.#gpu.run(forwardDispatches(context, this.#graph.input.name, samples));
    return this.#read(activationSlice(context, this.#graph.logits.name), this.#graph.logits.name, samples);
  }

  async lastBlockGradient(input: Tensor, gradient: Tensor): Promise<Float32Array> {
    const [samples] = input.shape;
    const context = await this.#context(LAST_BLOCK_INPUT, samples);
    this.#write(activationSlice(context, LAST_BLOCK_INPUT), input);
    await this.#gpu.run(forwardDispatches(context, LAST_BLOCK_INPUT, samples));
    // Not earlier: before the backward pass the buffer may hold something else.
    this.#write(gradientSlice(context, this.#graph.logits.name), gradient);
    await this.#gpu.run(backwardDispatches(context, samples));
    return this.#read(gradientSlice(context, LAST_BLOCK_INPUT), LAST_BLOCK_INPUT, samples);
  }

  dispose(): void {
    for (const { buffers } of this.#contexts.values()) {
      for (const { buffer } of buffers) this.#gpu.pool.destroy(buffer);
    }
    this.#contexts.clear();
    this.#parameters.dispose();
  }

  async #context(target: string | undefined, samples: number): Promise<RunContext> {
    const key = `${target} × ${samples}`;
    let context = this.#contexts.get(key);
    if (!context) {
      const plan = this.#plan(target, samples);
      const buffers = await this.#gpu.guard(async () =>
        plan.bufferBytes.map((size): BufferSlice => ({ buffer: this.#gpu.createBuffer('bench', size), size })),
      );
      const { traits } = this.#gpu;
      context = { traits, graph: this.#graph, parameters: this.#parameters, plan, target, buffers };
      this.#contexts.set(key, context);
    }
    return context;
  }

  #plan(target: string | undefined, samples: number): Plan {
    const graph = this.#graph;
    const { convention } = this.#parameters;
    // Its rows are the noisy samples and the clean one.
    const plan = planExplanation({ graph, convention, target, samples: samples - 1, limits: this.#gpu.limits });
    if (plan.rows < samples) throw new Error(`a batch of ${samples} exceeds the limits of this device`);
    return plan;
  }

  #write({ buffer }: BufferSlice, { data }: Tensor): void {
    this.#gpu.write(buffer, data);
  }

  #read(slice: BufferSlice, node: string, samples: number): Promise<Float32Array> {
    return this.#gpu.readFloats({ ...slice, size: 4 * samples * elementsOf(this.#graph.shape(node)) });
  }
}

/** From the output of `from` to the end. */
function forwardDispatches(context: RunContext, from: string, samples: number): Dispatch[] {
  const behind = context.graph.after(from);
  return context.plan.steps.flatMap((step) => {
    if (step.kind === 'forward' && behind.includes(step.node)) return forwardStep(context, step.node, samples);
    if (step.kind === 'mask') return [maskStep(context, step.node, samples)];
    return [];
  });
}

/** From the gradient of the last output to that of the plan's target. */
function backwardDispatches(context: RunContext, samples: number): Dispatch[] {
  return context.plan.steps.flatMap((step) => {
    if (step.kind === 'relu-gradient') return [reluGradientStep(context, step.node, samples)];
    if (step.kind === 'gradient') return gradientStep(context, step.node, samples);
    return [];
  });
}
