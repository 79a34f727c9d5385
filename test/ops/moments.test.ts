import { describe } from 'vitest';
import { decodeMoments, MOMENT_FLOATS, moments, momentWeights } from '../../src/ops/moments.ts';
import { assert, assertClose, assertSameBits } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/moments.ts';
import { tensor } from '../reference/tensor.ts';

/** The logits of every sample, and the class whose score weights them. */
interface Scores {
  readonly classes: number;
  readonly logits: Float32Array;
  readonly classIndex: number;
}

/** The sums after all samples have come in batches of these sizes. */
async function sumsOf(
  op: OpBench,
  elements: number,
  grad: Float32Array,
  { batches, scores }: { batches: readonly number[]; scores?: Scores },
): Promise<Float32Array> {
  const sums = op.output(elements * MOMENT_FLOATS);
  const largest = op.output(1);
  const index = op.input(Uint32Array.of(scores?.classIndex ?? 0));
  let done = 0;
  for (const samples of batches) {
    const restart = done === 0;
    let sampleWeights: ReturnType<OpBench['output']> | undefined;
    if (scores) {
      const logits = op.input(scores.logits.subarray(done * scores.classes, (done + samples) * scores.classes));
      sampleWeights = op.output(2 * samples);
      await op.run(momentWeights(scores.classes, samples, { logits, index, largest, sampleWeights, restart }));
    }
    const part = op.input(grad.subarray(done * elements, (done + samples) * elements));
    await op.run(moments(elements, samples, { grad: part, sums, sampleWeights, restart }));
    done += samples;
  }
  return op.floats(sums);
}

/**
 * D1, D2 and D3 must be right by their own size at every element, which is Σ ω |g|^p / n, whatever the element's gradients are.
 *
 * @param weights ω of each sample, up to a common factor that `sums` has
 */
function assertMoments(
  sums: Float32Array,
  elements: number,
  grad: Float32Array,
  weights: readonly number[],
  tolerance = 2 ** -20,
): void {
  const samples = weights.length;
  const found = [1, 2, 3].map((power) =>
    Float64Array.from(
      { length: elements },
      (_, e) => (sums[4 * e + power - 1]! * powerScale(sums, e, power)) / samples,
    ),
  );
  const oracle = (values: Float32Array) => {
    const { first, second, third } = reference.moments(tensor([samples, elements], values), weights);
    return [first.data, second.data, third.data];
  };
  const expected = oracle(grad);
  const sizes = oracle(grad.map(Math.abs));
  found.forEach((values, p) => {
    const bySize = (moment: Float64Array) => moment.map((value, e) => value / (sizes[p]![e]! || 1));
    assertClose(bySize(values), bySize(expected[p]!), { what: `D${p + 1} by its size`, scale: 1, tolerance });
  });
}

/** The sum of g is kept as it is, those of the powers are kept of g / s. */
function powerScale(sums: Float32Array, element: number, power: number): number {
  return power === 1 ? 1 : sums[4 * element + 3]! ** power;
}

const uniform = (samples: number) => new Array<number>(samples).fill(1);

describe('moments', () => {
  for (const [samples, elements] of [
    [1, 1],
    [2, 63],
    [3, 64],
    [5, 65],
    [4, 1009],
  ] as const) {
    opTest(`of ${samples} × ${elements} gradients`, async (op) => {
      const grad = random(elements).normals(samples * elements);
      const sums = await sumsOf(op, elements, grad, { batches: [samples] });
      assertMoments(sums, elements, grad, uniform(samples));
    });
  }

  opTest(
    'keep their digits from the smallest to the largest gradients, side by side and one after the other',
    async (op) => {
      // Not below: where a sum's last digits are subnormal, adapters may drop them.
      const sizes = [1e-30, 1e-20, 1e-7, 1, 1e12, 1e30, 1e37];
      const draw = random(3);
      const samples = 5;
      const elements = sizes.length * 20;
      const steady = Float32Array.from(
        { length: samples * elements },
        (_, i) => draw.normal() * sizes[i % sizes.length]!,
      );
      assertMoments(await sumsOf(op, elements, steady, { batches: [2, 3] }), elements, steady, uniform(samples));
      const changing = steady.map(() => draw.normal() * sizes[draw.integer(0, sizes.length - 1)]!);
      assertMoments(await sumsOf(op, elements, changing, { batches: [5] }), elements, changing, uniform(samples));
    },
  );

  opTest('are zero for dead cells, and do not mind samples without gradient', async (op) => {
    const grad = Float32Array.of(0, 0, 3e-20, 0, 0, 0, 0, 0, -2e-20, 0, 5, 0);
    const sums = await sumsOf(op, 4, grad, { batches: [1, 2] });
    assertMoments(sums, 4, grad, uniform(3));
    for (const dead of [1, 3]) assertClose(sums.subarray(4 * dead, 4 * dead + 3), [0, 0, 0], { tolerance: 0 });
  });

  for (const kind of ['uniform', 'score'] as const) {
    opTest(`have the same bits however the samples come in batches, weights ${kind}`, async (op) => {
      const [samples, elements, classes] = [7, 131, 3];
      const draw = random(8);
      const grad = draw.normals(samples * elements).map((value) => value * 10 ** draw.integer(-9, 9));
      const logits = draw.normals(samples * classes).map((value) => value * 4);
      const scores = kind === 'score' ? { classes, logits, classIndex: 1 } : undefined;
      const whole = await sumsOf(op, elements, grad, { batches: [7], scores });
      for (const batches of [
        [1, 6],
        [3, 4],
        [5, 2],
        [2, 2, 2, 1],
        [1, 1, 1, 1, 1, 1, 1],
      ]) {
        assertSameBits(await sumsOf(op, elements, grad, { batches, scores }), whole, { what: batches.join(' + ') });
      }
    });
  }

  for (const [name, scoresOf] of [
    ['rising', (m: number) => 3 * m],
    ['falling', (m: number) => -4 * m],
    ['mixed', (m: number) => [2, 7, -30, 7.5, 7][m]!],
    ['equal', () => -88],
    ['far apart', (m: number) => 1e4 * ((m * 3) % 5)],
  ] as const) {
    opTest(`weighted by e^score, scores ${name}`, async (op) => {
      const [samples, elements, classes, classIndex] = [5, 70, 4, 2];
      const draw = random(9);
      const grad = draw.normals(samples * elements);
      const own = Float32Array.from({ length: samples }, (_, m) => scoresOf(m));
      const logits = Float32Array.from({ length: samples * classes }, (_, i) =>
        i % classes === classIndex ? own[Math.floor(i / classes)]! : draw.uniform(-50, 50),
      );
      const sums = await sumsOf(op, elements, grad, { batches: [2, 3], scores: { classes, logits, classIndex } });
      // e^x loses as many units in the last place as x is large; beyond e^-30 a weight no longer counts.
      assertMoments(sums, elements, grad, reference.sampleWeights('score', own), 2 ** -17);
    });
  }

  opTest('weights of samples that came before sink as larger scores come', async (op) => {
    const index = op.input(Uint32Array.of(0));
    const largest = op.output(1);
    const batch = async (scores: readonly number[], restart: boolean) => {
      const sampleWeights = op.output(2 * scores.length);
      const logits = op.input(Float32Array.from(scores));
      await op.run(momentWeights(1, scores.length, { logits, index, largest, sampleWeights, restart }));
      return op.floats(sampleWeights);
    };
    const e = Math.exp;
    assertClose(await batch([2, 1, 4], true), [1, 1, 1, e(-1), e(-2), 1], { tolerance: 2 ** -20 });
    assertClose(await batch([3, 5], false), [1, e(-1), e(-1), 1], { tolerance: 2 ** -20 });
    assertClose(await op.floats(largest), [5], { tolerance: 0 });
    assert((await batch([-7], true)).join() === '1,1', 'a restart must forget the scores so far');
    assertClose(await op.floats(largest), [-7], { tolerance: 0 });
  });

  for (const [samples, elements] of [
    [1, 1],
    [3, 65],
    [4, 1009],
  ] as const) {
    opTest(`decoded, of ${samples} × ${elements} gradients from small to large`, async (op) => {
      const draw = random(elements);
      const grad = draw.normals(samples * elements).map((value) => value * 10 ** draw.integer(-8, 8));
      // A cell whose gradient is zero in every sample has zero moments.
      for (let sample = 0; sample < samples; sample++) grad[sample * elements] = 0;
      const made = op.input(await sumsOf(op, elements, grad, { batches: [samples] }));
      const [first, second, third] = [op.output(elements), op.output(elements), op.output(elements)];
      await op.run(decodeMoments(elements, samples, { sums: made, first, second, third }));
      const gradients = (values: Float32Array) =>
        reference.moments(tensor([samples, elements], values), uniform(samples));
      const [expected, sizes] = [gradients(grad), gradients(grad.map(Math.abs))];
      for (const [power, found] of Object.entries({ first, second, third } as const)) {
        const of = (moments: reference.Moments) => moments[power as keyof reference.Moments].data;
        const bySize = (values: ArrayLike<number>) => Array.from(values, (value, e) => value / (of(sizes)[e]! || 1));
        const close = { what: `the ${power} moment by its size`, scale: 1, tolerance: 2 ** -20 };
        assertClose(bySize(await op.floats(found)), bySize(of(expected)), close);
      }
    });
  }
});
