/** Next to tfjs-backend-webgpu: the same layers, weights and inputs, on the same adapter, in turn. */
import type { Gpu } from '../src/gpu/gpu.ts';
import { elementsOf, type Graph } from '../src/network/graph.ts';
import type { DawnAdapter } from '../src/node/dawn.ts';
import { random } from '../test/harness/random.ts';
import { convolutionGraph, LAST_BLOCK_INPUT, OwnConvolutions, type Tensor } from './convolutions.ts';
import { type Duration, type Effort, interleave, timed } from './measure.ts';
import { type Row, row, timeRows } from './report.ts';
import { TfjsConvolutions } from './tfjs.ts';

/** A peer that takes longer for one sample is not asked for a batch. */
const PATIENCE_MS = 45_000;
/** Greatest difference between two programs' results, over the greatest value: rounding, and no more. */
const TOLERANCE = 1e-4;

export async function runPeer(gpu: Gpu, adapter: DawnAdapter, samples: number, effort: Effort): Promise<Row[]> {
  const ours = await OwnConvolutions.create(gpu);
  try {
    const tfjs = await TfjsConvolutions.create(adapter);
    if (tfjs.adapterInfo.description !== gpu.adapterInfo.description) {
      throw new Error(`tfjs runs on ${tfjs.adapterInfo.description}, we on ${gpu.adapterInfo.description}`);
    }
    const contest: Contest = { graph: convolutionGraph(), gpu, ours, tfjs, effort };
    const n = samples > 1 && (await canTakeBatch(contest)) ? samples : 1;
    return [...(await compareForward(contest, n)), ...(await compareLastBlockGradient(contest, n))];
  } finally {
    ours.dispose();
  }
}

interface Contest {
  readonly graph: Graph;
  readonly gpu: Gpu;
  readonly ours: OwnConvolutions;
  readonly tfjs: TfjsConvolutions;
  readonly effort: Effort;
}

/** Whether tfjs is quick enough with one sample that it is worth waiting for a batch. */
async function canTakeBatch({ graph, tfjs }: Contest): Promise<boolean> {
  const input = randomTensor(graph, graph.input.name, 1);
  // The first run compiles.
  await tfjs.forward(input);
  return (await timed(() => tfjs.forward(input))).ms <= PATIENCE_MS;
}

/** The 13 convolutions with bias and ReLU, and the five pools. */
async function compareForward(contest: Contest, samples: number): Promise<Row[]> {
  const { graph, ours, tfjs } = contest;
  const input = randomTensor(graph, graph.input.name, samples);
  checkSame('the last pool', await ours.forward(input), await tfjs.forward(input));
  return compare(contest, `peer.convolutions.forward.n${samples}`, (side) => side.forward(input));
}

/** Forward and backward through the last block, with the quicker of tfjs's two kernels for the backward pass. */
async function compareLastBlockGradient(contest: Contest, samples: number): Promise<Row[]> {
  const { graph, ours, tfjs } = contest;
  const input = randomTensor(graph, LAST_BLOCK_INPUT, samples);
  const gradient = randomTensor(graph, graph.logits.name, samples);
  const expected = await ours.lastBlockGradient(input, gradient);
  const timeOf = async (naive: boolean) => {
    tfjs.useNaiveTranspose(naive);
    checkSame('the gradient of block 5', expected, await tfjs.lastBlockGradient(input, gradient));
    return (await timed(() => tfjs.lastBlockGradient(input, gradient))).ms;
  };
  const naive = (await timeOf(true)) <= (await timeOf(false));
  tfjs.useNaiveTranspose(naive);
  const id = `peer.block5.forward+gradient.n${samples}.${naive ? 'naive' : 'matmul'}`;
  return compare(contest, id, (side) => side.lastBlockGradient(input, gradient));
}

async function compare(
  { gpu, ours, tfjs, effort }: Contest,
  id: string,
  work: (side: OwnConvolutions | TfjsConvolutions) => Promise<unknown>,
): Promise<Row[]> {
  const { adapterInfo } = gpu;
  const times = await interleave({ ours: () => timed(() => work(ours)), tfjs: () => timed(() => work(tfjs)) }, effort);
  const ratios = (figure: keyof Duration) => times.tfjs.map((each, i) => each[figure] / times.ours[i]![figure]);
  return [
    ...timeRows(id, times.ours, adapterInfo, 'ours'),
    ...timeRows(id, times.tfjs, adapterInfo, 'tfjs'),
    row(id, 'tfjs / ours', '×', ratios('ms')),
    ...(adapterInfo.isFallback ? [row(id, 'CPU tfjs / ours', '×', ratios('cpuMs'))] : []),
  ];
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
  // The first is also false for NaN, the second for results of zeros.
  if (!(difference <= TOLERANCE * largest && largest > 0)) {
    throw new Error(`${what}: ours and tfjs differ by ${difference}, where the largest value is ${largest}`);
  }
}

/** Values for a node's output or its gradient. */
function randomTensor(graph: Graph, node: string, samples: number): Tensor {
  const shape = graph.shape(node);
  return { shape: [samples, ...shape], data: random(samples).uniforms(samples * elementsOf(shape), -1, 1) };
}
