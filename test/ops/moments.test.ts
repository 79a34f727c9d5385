import { describe } from 'vitest';
import { classMoments } from '../../src/ops/class-moments.ts';
import {
  type MaxpoolShape,
  maxpool,
  maxpoolCodeWords,
  maxpoolGradInput,
  maxpoolOutput,
} from '../../src/ops/maxpool.ts';
import { decodeMoments } from '../../src/ops/moments.decode.ts';
import { momentWeights, SAMPLE_WEIGHT_FLOATS, scoreDerivatives } from '../../src/ops/moments.sample-weights.ts';
import { CLASS_MOMENT_FLOATS, MOMENT_FLOATS, moments, unpooledMoments } from '../../src/ops/moments.ts';
import { assert, assertClose, assertSameBits } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as poolReference from '../reference/maxpool.ts';
import * as reference from '../reference/moments.ts';
import * as softmaxReference from '../reference/softmax.ts';
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
      sampleWeights = op.output(SAMPLE_WEIGHT_FLOATS * samples);
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
      const sampleWeights = op.output(SAMPLE_WEIGHT_FLOATS * scores.length);
      const logits = op.input(Float32Array.from(scores));
      await op.run(momentWeights(1, scores.length, { logits, index, largest, sampleWeights, restart }));
      return op.floats(sampleWeights);
    };
    const e = Math.exp;
    assertClose(await batch([2, 1, 4], true), [1, 1, 1, 1, 1, e(-1), e(-1), e(-1), e(-2), 1, 1, 1], {
      tolerance: 2 ** -20,
    });
    assertClose(await batch([3, 5], false), [1, e(-1), e(-1), e(-1), e(-1), 1, 1, 1], { tolerance: 2 ** -20 });
    assertClose(await op.floats(largest), [5], { tolerance: 0 });
    assert((await batch([-7], true)).join() === '1,1,1,1', 'a restart must forget the scores so far');
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

describe('moments at the input of a max-pooling', () => {
  const CLASSES = 3;

  /** Its input, with ties and dead windows as behind a ReLU, and the gradient at its output, from small to large. */
  function pooled(samples: number, shape: MaxpoolShape) {
    const draw = random(7 * shape.channels + shape.height);
    const out = maxpoolOutput(shape);
    const [cells, outCells] = [shape.height * shape.width, out.height * out.width];
    const gradient = () => draw.normal() * 10 ** draw.integer(-9, 9);
    return {
      x: Float32Array.from({ length: samples * shape.channels * cells }, () => Math.max(0, draw.integer(-3, 3))),
      gradY: Float32Array.from({ length: samples * shape.channels * outCells }, gradient),
      logits: draw.normals(samples * CLASSES).map((value) => value * 4),
      outShape: [samples, shape.channels, out.height, out.width],
    };
  }

  /** The sums by both ways, after samples in batches of these sizes. */
  async function sumsBothWays(
    op: OpBench,
    shape: MaxpoolShape,
    { x, gradY, logits }: ReturnType<typeof pooled>,
    { batches, isWeighted }: { batches: readonly number[]; isWeighted: boolean },
  ) {
    const elements = shape.channels * shape.height * shape.width;
    const [direct, byGradient] = [op.output(elements * MOMENT_FLOATS), op.output(elements * MOMENT_FLOATS)];
    const [index, largest] = [op.input(Uint32Array.of(1)), op.output(1)];
    let done = 0;
    for (const samples of batches) {
      const restart = done === 0;
      const part = (values: Float32Array) => {
        const each = values.length / batches.reduce((a, b) => a + b);
        return op.input(values.subarray(done * each, (done + samples) * each));
      };
      const sampleWeights = isWeighted ? op.output(SAMPLE_WEIGHT_FLOATS * samples) : undefined;
      if (sampleWeights) {
        const scores = { logits: part(logits), index, largest, sampleWeights, restart };
        await op.run(momentWeights(CLASSES, samples, scores));
      }
      const codes = op.output(samples * maxpoolCodeWords(shape));
      const [y, grad] = [op.output(part(gradY).count), op.output(samples * elements)];
      const ofPart = part(gradY);
      await op.run(
        maxpool(shape, samples, { x: part(x), y, codes }),
        maxpoolGradInput(shape, samples, { gradY: ofPart, codes, gradX: grad }),
        moments(elements, samples, { grad, sums: byGradient, sampleWeights, restart }),
        unpooledMoments(shape, samples, { gradY: ofPart, codes, sums: direct, sampleWeights, restart }),
      );
      done += samples;
    }
    return { direct: await op.floats(direct), byGradient: await op.floats(byGradient) };
  }

  for (const [channels, height, width] of [
    [1, 2, 2],
    [9, 6, 10],
    [17, 14, 14],
  ] as const) {
    const shape = { channels, height, width, kernel: 2, stride: 2 };
    opTest(`[${channels}, ${height} × ${width}]`, async (op) => {
      for (const isWeighted of [false, true]) {
        const samples = 5;
        const data = pooled(samples, shape);
        const weights = isWeighted
          ? reference.sampleWeights(
              'score',
              [0, 1, 2, 3, 4].map((m) => data.logits[CLASSES * m + 1]!),
            )
          : uniform(samples);
        const whole = await sumsBothWays(op, shape, data, { batches: [samples], isWeighted });
        const grad = poolReference.maxpoolGradInput(
          tensor(data.outShape, data.gradY),
          tensor([samples, channels, height, width], data.x),
          { size: 2, stride: 2 },
        );
        const elements = channels * height * width;
        const tolerance = isWeighted ? 2 ** -17 : undefined;
        assertMoments(whole.direct, elements, Float32Array.from(grad.data), weights, tolerance);
        for (const batches of [[samples], [2, 3], [1, 1, 1, 1, 1]]) {
          const what = `${isWeighted ? 'weighted' : 'unweighted'}, ${batches.join(' + ')}`;
          const { direct, byGradient } = await sumsBothWays(op, shape, data, { batches, isWeighted });
          assertSameBits(direct, byGradient, { what: `${what}, against the gradient's moments` });
          assertSameBits(direct, whole.direct, { what });
        }
      }
    });
  }
});

const SCORES = ['logit', 'sigmoid', 'softmax', 'log-softmax'] as const;

describe('moments of other scores', () => {
  const [samples, classes, elements] = [5, 7, 66];
  const SIZES = [1e-12, 1e-5, 1, 1e6, 1e10];
  const sizeOf = (element: number) => SIZES[element % SIZES.length]!;

  /** @param spread of the logits */
  function makeGradients(seed: number, spread: number) {
    const draw = random(seed);
    const gradients = tensor(
      [samples, classes, elements],
      Float64Array.from({ length: samples * classes * elements }, (_, i) =>
        Math.fround(draw.normal() * sizeOf(i % elements)),
      ),
    );
    const logits = draw.normals(samples * classes).map((value) => value * spread);
    return { gradients, logits };
  }

  async function scoreSums(
    op: OpBench,
    score: (typeof SCORES)[number],
    classIndex: number,
    { gradients, logits }: ReturnType<typeof makeGradients>,
    batches: readonly number[],
  ): Promise<Float32Array> {
    const sums = op.output(elements * MOMENT_FLOATS);
    const index = op.input(Uint32Array.of(classIndex));
    const ofLogSoftmax = score === 'softmax' || score === 'log-softmax';
    const p = softmaxReference.softmax(tensor([samples, classes], logits)).data;
    const g = (m: number, j: number, e: number) => gradients.data[(m * classes + j) * elements + e]!;
    const centred = (m: number, j: number, e: number) => {
      let mean = 0;
      for (let i = 0; i < classes; i++) mean += p[m * classes + i]! * g(m, i, e);
      return g(m, j, e) - mean;
    };
    let done = 0;
    for (const count of batches) {
      const first = done;
      const fill = (value: (m: number, e: number) => number) =>
        op.input(
          Float32Array.from({ length: count * elements }, (_, i) =>
            value(first + Math.floor(i / elements), i % elements),
          ),
        );
      let spread: ReturnType<OpBench['output']> | undefined;
      if (ofLogSoftmax) {
        spread = op.output(count * elements * CLASS_MOMENT_FLOATS);
        for (let j = 0; j < classes; j++) {
          const grad = fill((m, e) => centred(m, j, e));
          const probabilities = op.input(Float32Array.from({ length: count }, (_, m) => p[(first + m) * classes + j]!));
          const options = { grad, probabilities, moments: spread, first: 0, restart: j === 0 };
          await op.run(classMoments(elements, count, options));
        }
      }
      let sampleWeights = op.input(Float32Array.from({ length: 4 * count }, (_, i) => (i % 4 < 2 ? 1 : 0)));
      if (score === 'sigmoid' || score === 'softmax') {
        const own = op.input(logits.subarray(first * classes, (first + count) * classes));
        sampleWeights = op.output(SAMPLE_WEIGHT_FLOATS * count);
        await op.run(scoreDerivatives(score, classes, count, { logits: own, index, sampleWeights }));
        await op.floats(sampleWeights);
      }
      const grad = fill((m, e) => (ofLogSoftmax ? centred(m, classIndex, e) : g(m, classIndex, e)));
      const restart = done === 0;
      await op.run(moments(elements, count, { grad, sums, sampleWeights, classMoments: spread, restart }));
      done += count;
    }
    return op.floats(sums);
  }

  for (const score of SCORES) {
    opTest(`are the oracle’s: ${score}`, async (op) => {
      // Probabilities from nearly alike to nearly 0 and 1.
      for (const [seed, spread] of [
        [1, 0.3],
        [2, 4],
        [3, 12],
      ] as const) {
        const made = makeGradients(seed, spread);
        for (const classIndex of [0, 4]) {
          const sums = await scoreSums(op, score, classIndex, made, [2, 3]);
          const logits = tensor([samples, classes], made.logits);
          const d = reference.scoreMoments(score, classIndex, made.gradients, logits, [], 0);
          [d.first, d.second, d.third].forEach(({ data }, p) => {
            const bySize = (value: number, e: number) => value / sizeOf(e) ** (p + 1);
            const found = Float64Array.from(data, (_, e) =>
              bySize((sums[4 * e + p]! * powerScale(sums, e, p + 1)) / samples, e),
            );
            const what = `D${p + 1} of class ${classIndex}, logits × ${spread}, by the gradients' size`;
            assertClose(found, data.map(bySize), { what, tolerance: 2 ** -19 });
          });
        }
      }
    });

    opTest(`have the same bits however the samples come in batches: ${score}`, async (op) => {
      const made = makeGradients(4, 3);
      const whole = await scoreSums(op, score, 2, made, [5]);
      for (const batches of [
        [1, 4],
        [3, 2],
        [1, 1, 1, 1, 1],
      ]) {
        assertSameBits(await scoreSums(op, score, 2, made, batches), whole, { what: batches.join(' + ') });
      }
    });
  }

  opTest('have factors that keep their digits where the sigmoid and the softmax are nearly 0 or 1', async (op) => {
    for (const score of ['sigmoid', 'softmax'] as const) {
      for (const logit of [-80, -30, -10, -1, -0.5, 0, 0.5, 1, 10, 15, 30, 80]) {
        const sampleWeights = op.output(SAMPLE_WEIGHT_FLOATS);
        // Against one other class with the logit 0, the softmax is the sigmoid.
        const logits = op.input(Float32Array.of(0, logit));
        await op.run(scoreDerivatives(score, 2, 1, { logits, index: op.input(Uint32Array.of(1)), sampleWeights }));
        const [s, other] = [1 / (1 + Math.exp(-logit)), 1 / (1 + Math.exp(logit))];
        const q = s * other;
        const expected = score === 'sigmoid' ? [q, q * (other - s), q * (1 - 6 * q)] : [s, s, s];
        const found = (await op.floats(sampleWeights)).subarray(1);
        assertClose(found, expected, { what: `${score} of ${logit}`, tolerance: 2 ** -16 });
      }
    }
  });

  opTest('of a contrast are those of the difference of two logits', async (op) => {
    const { uniform } = random(9);
    const [classes, samples, classIndex, contrast] = [7, 3, 5, 2];
    const logits = Float32Array.from({ length: classes * samples }, () => uniform(-4, 4));
    const differences = logits.slice();
    for (let at = 0; at < logits.length; at += classes) differences[at + classIndex]! -= logits[at + contrast]!;
    const index = op.input(Uint32Array.of(classIndex));
    const weights = async (values: Float32Array, against?: number) => {
      const buffers = { logits: op.input(values), index, contrast: against };
      const [exp, sigmoid] = [op.output(SAMPLE_WEIGHT_FLOATS * samples), op.output(SAMPLE_WEIGHT_FLOATS * samples)];
      const largest = op.output(1);
      await op.run(momentWeights(classes, samples, { ...buffers, largest, sampleWeights: exp, restart: true }));
      await op.run(scoreDerivatives('sigmoid', classes, samples, { ...buffers, sampleWeights: sigmoid }));
      return [await op.floats(exp), await op.floats(sigmoid), await op.floats(largest)] as const;
    };
    const expected = await weights(differences);
    for (const [i, found] of (await weights(logits, contrast)).entries()) assertSameBits(found, expected[i]!);
    const without = await weights(logits);
    assert(
      without[0].some((value, i) => value !== expected[0][i]),
      'the contrast must matter',
    );
  });
});
