/** m1 to m3: the whole task next to other programs, on the same adapter, in turn, after both gave the same map. */
import { type Bench, Unmeasured } from '../bench.ts';
import { countedMs, type Duration, interleave, timed } from '../measure.ts';
import { JaxExplainer } from '../peers/jax.ts';
import { OwnExplainer } from '../peers/own.ts';
import { TfjsExplainer } from '../peers/tfjs.ts';
import {
  type Explainer,
  type Formula,
  type Head,
  type Inputs,
  largestMatrixBytes,
  makeInputs,
  makeProblem,
  type Problem,
} from '../problem.ts';
import { adapterName, type Row, row, targetRow, timeRows } from '../report.ts';

/** n, as the table of targets has it. */
const SAMPLES = { gpu: 25, software: 4 };
/** A peer that takes longer for one sample is not asked for several. */
const PATIENCE_MS = 90_000;
/** What took this long was no matter of compiling: it is not repeated to find the best settings. */
const LONG_MS = 5_000;
/** Greatest difference between two programs' maps, over the greatest value: rounding, and no more. */
const TOLERANCE = 1e-3;

const TFJS_TASKS = {
  m1: { layer: 'block5_conv3', measure: 'speed against tfjs, block5_conv3', nearPole: false },
  m2: { layer: 'block1_conv1', measure: 'speed against tfjs, block1_conv1', nearPole: true },
};

export async function measureAgainstTfjs(bench: Bench, id: keyof typeof TFJS_TASKS): Promise<Row[]> {
  const tf = await bench.peers.loadTfjs();
  const task = TFJS_TASKS[id];
  const create = async (problem: Problem, inputs: Inputs) => {
    const tfjs = await TfjsExplainer.create(tf, problem, inputs);
    const [theirs, ours] = [tfjs.adapterInfo, bench.gpu.adapterInfo].map(adapterName);
    if (theirs !== ours) throw new Unmeasured(`tfjs runs on another adapter: ${theirs}, not ${ours}`);
    return tfjs;
  };
  return compare(bench, { id, ...task, name: 'tfjs' }, create, async (tfjs, samples) => {
    const flags = [true, false].map((naive) => ({
      name: naive ? 'its naive transposed convolution' : 'its transposed convolution by matrix product',
      use: () => tfjs.useNaiveTranspose(naive),
    }));
    return tuneBatches(tfjs, samples, flags);
  });
}

export async function measureAgainstJax(bench: Bench): Promise<Row[]> {
  const jax = await bench.peers.loadJax();
  const layer = 'block5_conv3';
  const what = { id: 'm3', measure: `speed against jax-js, ${layer}`, layer, nearPole: false, name: 'jax' };
  return compare(
    bench,
    what,
    (problem, inputs) => JaxExplainer.create(jax, problem, inputs),
    (peer, samples) => tuneBatches(peer, samples, [{ name: 'jit', use: () => {} }]),
  );
}

interface Comparison {
  readonly id: string;
  readonly measure: string;
  readonly layer: string;
  /** Whether the layer has so many cells that some lie next to α's pole as soon as there are several copies. */
  readonly nearPole: boolean;
  /** Of the peer, in the rows. */
  readonly name: string;
}

/** What a peer turned out to be best with. */
interface Tuned {
  readonly samples: number;
  readonly settings: string;
}

async function compare<Peer extends Explainer>(
  bench: Bench,
  comparison: Comparison,
  create: (problem: Problem, inputs: Inputs) => Promise<Peer>,
  tune: (peer: Peer, samples: number) => Promise<Tuned>,
): Promise<Row[]> {
  const { id, measure, layer, name } = comparison;
  const { gpu, clock, quick, size, effort, progress } = bench;
  const wanted = clock.isSoftware ? (quick ? 1 : SAMPLES.software) : SAMPLES.gpu;
  const { head, reason } = chooseHead(bench);
  const problem = makeProblem(size, { head, layer, samples: wanted });
  const ours = await OwnExplainer.create(gpu, problem);
  try {
    const peer = await create(problem, await makeInputs(gpu, problem));
    try {
      progress(`${name}: looking for its best settings`);
      const { samples, settings } = await tune(peer, wanted);
      progress(`${name}: comparing the maps`);
      const differences = await compareMaps(ours, peer, samples, comparison);
      progress(`${name}: ${effort.runs} rounds`);
      const contestants = {
        ours: () => timed(() => ours.explain(samples)),
        theirs: () => timed(() => peer.explain(samples)),
      };
      const times = await interleave(contestants, effort);
      const ratios = (figure: (time: Duration) => number) =>
        times.theirs.map((time, i) => figure(time) / figure(times.ours[i]!));
      const note = [
        `n = ${samples}${samples < wanted ? ' (the peer is too slow for more)' : ''}`,
        ...(reason ? [reason] : []),
        `${name} with ${settings}`,
        ...(clock.isSoftware && times.ours.some(({ cpuMs }) => cpuMs !== undefined) ? ['by CPU time'] : []),
      ].join('; ');
      const detail = `${id}.${name}.${layer}.n${samples}`;
      return [
        targetRow(
          id,
          measure,
          ratios((time) => countedMs(time, clock)),
          { isSoftware: clock.isSoftware, note },
        ),
        ...timeRows(detail, times.ours, gpu.adapterInfo, 'ours'),
        ...timeRows(detail, times.theirs, gpu.adapterInfo, name),
        row(
          detail,
          `${name} / ours by the clock`,
          '×',
          ratios(({ ms }) => ms),
        ),
        ...differences,
      ];
    } finally {
      peer.dispose();
    }
  } finally {
    ours.dispose();
  }
}

/**
 * Both sides' maps, held against each other, with and without α's pole. Next to the pole one cell outweighs a whole feature
 * map, and magnifies anybody's rounding with it; of one copy the formula has no pole where D1 > 0.
 */
async function compareMaps(
  ours: Explainer,
  peer: Explainer,
  samples: number,
  { id, name, layer, nearPole }: Comparison,
): Promise<Row[]> {
  const checks: [samples: number, formula: Formula][] = [
    [nearPole ? 1 : samples, 'smooth-grad-cam++'],
    [samples, 'without-pole'],
  ];
  const rows: Row[] = [];
  for (const [n, formula] of checks) {
    const difference = mapDifference(await ours.explain(n, formula), await peer.explain(n, formula));
    if (!(difference <= TOLERANCE)) {
      throw new Error(`the maps of ${layer}, ${formula} with n = ${n}, differ by ${difference} of the greatest value`);
    }
    rows.push(
      row(`${id}.${name}.${layer}.n${n}`, `difference of the maps, ${formula}`, 'of the greatest value', [difference]),
    );
  }
  return rows;
}

/** The whole network where peers can bind its largest matrix, which they do in one piece; else its convolutions' part. */
function chooseHead({ gpu, size }: Bench): { head: Head; reason?: string } {
  const bytes = largestMatrixBytes(makeProblem(size, { head: 'classifier', layer: 'block5_conv3', samples: 1 }));
  const available = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  if (bytes <= available) return { head: 'classifier' };
  const mib = (count: number) => `${Math.floor(count / 2 ** 20)} MiB`;
  return { head: 'linear', reason: `convolutions only: fc1 takes ${mib(bytes)}, a binding here ${mib(available)}` };
}

interface Setting {
  readonly name: string;
  use(): void;
}

/** Leaves the peer with the quickest of its settings and batch sizes. */
async function tuneBatches(
  peer: Explainer & { batch: number },
  samples: number,
  settings: readonly Setting[],
): Promise<Tuned> {
  peer.batch = 1;
  const tried: { setting: Setting; ms: number }[] = [];
  for (const setting of settings) {
    setting.use();
    tried.push({ setting, ms: await warmMs(() => peer.explain(1)) });
  }
  const { setting, ms: oneMs } = least(tried);
  setting.use();
  const n = oneMs > PATIENCE_MS ? 1 : samples;
  const batches = [{ batch: 1, ms: n * oneMs }];
  for (const batch of n === 1 ? [] : [...new Set([Math.ceil(Math.sqrt(n)), n])]) {
    peer.batch = batch;
    // A batch that the adapter cannot hold is not the best one.
    const ms = await warmMs(() => peer.explain(n)).catch(() => Number.POSITIVE_INFINITY);
    batches.push({ batch, ms });
  }
  const best = least(batches);
  peer.batch = best.batch;
  return { samples: n, settings: `batch ${best.batch} and ${setting.name}` };
}

/** The first run compiles, unless it is so long that this does not matter. */
async function warmMs(work: () => Promise<unknown>): Promise<number> {
  const { ms } = await timed(work);
  return ms > LONG_MS ? ms : (await timed(work)).ms;
}

function least<Tried extends { ms: number }>(tried: readonly Tried[]): Tried {
  return tried.reduce((best, each) => (each.ms < best.ms ? each : best));
}

/** Of the greatest value of `theirs`; NaN or Infinity where they do not compare. */
export function mapDifference(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) throw new Error(`a map of ${ours.length} cells against one of ${theirs.length}`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < ours.length; i++) {
    // Math.max passes NaN on.
    difference = Math.max(difference, Math.abs(ours[i]! - theirs[i]!));
    largest = Math.max(largest, Math.abs(theirs[i]!));
  }
  // A map of zeros is no evidence of anything.
  return largest > 0 ? difference / largest : Number.NaN;
}
