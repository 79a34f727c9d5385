/** m10: how good the tuner's choices are, and how long they take. */
import { bestOf, type Tuning } from '../../src/gpu/contest.ts';
import { measureCase } from '../../src/gpu/tuning-case.ts';
import { convShape } from '../../src/network/shapes.ts';
import { jobQuestions } from '../../src/network/tune.ts';
import { conv2dFlops } from '../../src/ops/conv2d.ts';
import type { Conv2dQuestion } from '../../src/ops/conv2d.tuning.ts';
import { conv2dCase } from '../../src/ops/conv2d.tuning-case.ts';
import type { Bench } from '../bench.ts';
import { makeProblem, type Problem } from '../problem.ts';
import { type Row, row, targetRow } from '../report.ts';

const SAMPLES = { gpu: 25, software: 4 };
/** In the exhaustive contest what takes so much longer than the best is out after one timed run: it is none of the best. */
const HOPELESS = 3;

/**
 * Each kind of convolution of VGG-16 twice: timed as the tuner does it, and then with all kernels, as often as the bench
 * times anything. A choice counts by what its kernel took in the second, of what the best took there.
 */
export async function measureTuner({ gpu, clock, size, effort, progress }: Bench): Promise<Row[]> {
  const { isSoftware } = clock;
  const samples = isSoftware ? SAMPLES.software : SAMPLES.gpu;
  const layer = 'block3_conv3';
  const problem = makeProblem(size, { head: 'classifier', layer, samples });
  const { graph } = problem;
  const job = { graph, convention: 'keras', target: layer, samples, hasEvenAreas: false } as const;
  const questions = jobQuestions(gpu, job);

  const started = performance.now();
  const tunings: Tuning[] = [];
  for (const question of questions) tunings.push(await measureCase(gpu, conv2dCase(gpu.traits, question)));
  const seconds = (performance.now() - started) / 1000;

  const contests: Contest[] = [];
  for (const [i, question] of questions.entries()) {
    progress(`tuner: every kernel for ${question.key}`);
    const everyKernel = conv2dCase(gpu.traits, question, { all: true });
    const all = await measureCase(gpu, everyKernel, { rounds: effort.runs, dropFactors: [HOPELESS] });
    const tuned = bestOf(tunings[i]!, question.candidates) ?? question.candidates[0]!;
    contests.push({ all, tuned, rule: question.candidates[0]!, flops: layerFlops(problem, question) });
  }
  const note = `n = ${samples}, ${layer}, ${questions.length} shapes, weighted by their arithmetic`;
  return [
    targetRow(
      'm10',
      "tuned speed, share of the best kernels'",
      sharesOfBest(contests, ({ tuned }) => tuned, effort.runs),
      { isSoftware, note },
    ),
    row(
      'tuner',
      "speed by rule, share of the best kernels'",
      '%',
      sharesOfBest(contests, ({ rule }) => rule, effort.runs),
    ),
    row('tuner', 'tuning time', 's', [seconds], 'compiling included'),
  ];
}

interface Contest {
  readonly all: Tuning;
  readonly tuned: string;
  readonly rule: string;
  readonly flops: number;
}

/** In percent, a value for each round. */
function sharesOfBest(contests: readonly Contest[], choice: (of: Contest) => string, rounds: number): number[] {
  return Array.from({ length: rounds }, (_, round) => {
    const slowdowns = contests.map((contest) => {
      const names = contest.all.candidates.map(({ name }) => name);
      const best = bestOf(contest.all, names)!;
      return (contest.flops * timeOf(contest.all, choice(contest), round)) / timeOf(contest.all, best, round);
    });
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    return (100 * sum(contests.map(({ flops }) => flops))) / sum(slowdowns);
  });
}

/** Of a candidate that was dropped, the one time that there is; of one that failed, for ever. */
function timeOf({ candidates }: Tuning, name: string, round: number): number {
  const { ms, disqualified } = candidates.find((candidate) => candidate.name === name)!;
  return disqualified === undefined ? (ms[round] ?? ms.at(-1)!) : Number.POSITIVE_INFINITY;
}

/** Of all convolutions of the network that the answer serves. */
function layerFlops({ graph }: Problem, { shape }: Conv2dQuestion): number {
  const same = (other: object) => JSON.stringify(other) === JSON.stringify(shape);
  const count = graph.nodes.filter((node) => node.op === 'conv2d' && same(convShape(graph, node))).length;
  return count * conv2dFlops(shape);
}
