/** Next to tfjs-backend-webgpu: the same layers, weights and inputs, on the same adapter, in turn. */
import type { Gpu } from '../src/gpu/gpu.ts';
import { elementsOf, type Graph } from '../src/network/graph.ts';
import type { DawnAdapter } from '../src/node/dawn.ts';
import { random } from '../test/harness/random.ts';
import { type Convolutions, convolutionGraph, LAST_BLOCK_INPUT, OwnConvolutions, type Tensor } from './convolutions.ts';
import { type Effort, interleave, timed } from './measure.ts';
import { type Row, row } from './report.ts';
import { TfjsConvolutions } from './tfjs.ts';

/** A peer that takes longer for one sample is not asked for a batch. */
const PATIENCE_MS = 20_000;
/** Greatest difference between two programs' results, over the greatest value: rounding, and no more. */
const TOLERANCE = 1e-4;

export async function runPeer(gpu: Gpu, adapter: DawnAdapter, samples: number, effort: Effort): Promise<Row[]> {
  const graph = convolutionGraph();
  const ours = await OwnConvolutions.create(gpu);
  try {
    const tfjs = await TfjsConvolutions.create(adapter);
    if (tfjs.adapterInfo.description !== gpu.adapterInfo.description) {
      throw new Error(`tfjs runs on ${tfjs.adapterInfo.description}, we on ${gpu.adapterInfo.description}`);
    }
    const n = (await canTakeBatch(graph, tfjs)) ? samples : 1;
    return [
      ...(await compareForward(graph, ours, tfjs, n, effort)),
      ...(await compareLastBlockGradient(graph, ours, tfjs, n, effort)),
    ];
  } finally {
    ours.dispose();
  }
}

/** Whether tfjs is quick enough with one sample that it is worth waiting for a batch. */
async function canTakeBatch(graph: Graph, tfjs: Convolutions): Promise<boolean> {
  const input = randomTensor(graph, graph.input.name, 1);
  // The first run compiles.
  await tfjs.forward(input);
  return (await timed(() => tfjs.forward(input))) <= PATIENCE_MS;
}

/** The 13 convolutions with bias and ReLU, and the five pools. */
async function compareForward(
  graph: Graph,
  ours: Convolutions,
  tfjs: Convolutions,
  samples: number,
  effort: Effort,
): Promise<Row[]> {
  const input = randomTensor(graph, graph.input.name, samples);
  checkSame('the last pool', await ours.forward(input), await tfjs.forward(input));
  const id = `peer.convolutions.forward.n${samples}`;
  return compare(
    id,
    () => ours.forward(input),
    () => tfjs.forward(input),
    effort,
  );
}

/** Forward and backward through the last block, with the quicker of tfjs's two kernels for the backward pass. */
async function compareLastBlockGradient(
  graph: Graph,
  ours: Convolutions,
  tfjs: TfjsConvolutions,
  samples: number,
  effort: Effort,
): Promise<Row[]> {
  const input = randomTensor(graph, LAST_BLOCK_INPUT, samples);
  const gradient = randomTensor(graph, graph.logits.name, samples);
  const expected = await ours.lastBlockGradient(input, gradient);
  const timeOf = async (naive: boolean) => {
    tfjs.useNaiveTranspose(naive);
    checkSame('the gradient of block 5', expected, await tfjs.lastBlockGradient(input, gradient));
    return timed(() => tfjs.lastBlockGradient(input, gradient));
  };
  const naive = (await timeOf(true)) <= (await timeOf(false));
  tfjs.useNaiveTranspose(naive);
  return compare(
    `peer.block5.forward+gradient.n${samples}.${naive ? 'naive' : 'matmul'}`,
    () => ours.lastBlockGradient(input, gradient),
    () => tfjs.lastBlockGradient(input, gradient),
    effort,
  );
}

async function compare(
  id: string,
  ours: () => Promise<unknown>,
  tfjs: () => Promise<unknown>,
  effort: Effort,
): Promise<Row[]> {
  const ms = await interleave({ ours: () => timed(ours), tfjs: () => timed(tfjs) }, effort);
  const ratios = ms.tfjs.map((value, i) => value / ms.ours[i]!);
  return [row(id, 'ours', 'ms', ms.ours), row(id, 'tfjs', 'ms', ms.tfjs), row(id, 'tfjs / ours', '×', ratios)];
}

/** @throws Error where two programs do not compute the same: their times would not compare. */
function checkSame(what: string, ours: Float32Array, theirs: Float32Array): void {
  if (ours.length !== theirs.length) throw new Error(`${what}: ${ours.length} values against ${theirs.length}`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < ours.length; i++) {
    // Math.max passes NaN on.
    difference = Math.max(difference, Math.abs(ours[i]! - theirs[i]!));
    largest = Math.max(largest, Math.abs(theirs[i]!));
  }
  // Also false for NaN and for results of zeros.
  if (!(difference <= TOLERANCE * largest) || largest === 0) {
    throw new Error(`${what}: ours and tfjs differ by ${difference}, where the largest value is ${largest}`);
  }
}

/** Values for a node's output or its gradient. */
function randomTensor(graph: Graph, node: string, samples: number): Tensor {
  const shape = graph.shape(node);
  return { shape: [samples, ...shape], data: random(samples).uniforms(samples * elementsOf(shape), -1, 1) };
}
