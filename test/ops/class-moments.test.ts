import { describe } from 'vitest';
import { classMoments } from '../../src/ops/class-moments.ts';
import { CLASS_MOMENT_FLOATS } from '../../src/ops/moments.ts';
import { assertClose, assertSameBits } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/class-moments.ts';
import { tensor } from '../reference/tensor.ts';

interface Classes {
  readonly classes: number;
  readonly samples: number;
  readonly elements: number;
  /** g_j − ḡ, [classes, samples, elements]. */
  readonly centred: Float32Array;
  /** [classes, samples] */
  readonly probabilities: Float32Array;
}

async function momentsOf(op: OpBench, given: Classes): Promise<Float32Array> {
  const { classes, samples, elements } = given;
  const moments = op.output(samples * elements * CLASS_MOMENT_FLOATS);
  const probabilities = op.input(given.probabilities);
  const size = samples * elements;
  for (let j = 0; j < classes; j++) {
    const grad = op.input(given.centred.subarray(j * size, (j + 1) * size));
    await op.run(
      classMoments(elements, samples, { grad, probabilities, moments, first: j * samples, restart: j === 0 }),
    );
  }
  return op.floats(moments);
}

/** Gradients of any size with their mean taken off, and the moments that the oracle has for the gradients themselves. */
function makeClasses(seed: number, [classes, samples, elements]: [number, number, number], sizes: readonly number[]) {
  const draw = random(seed);
  const centred = new Float32Array(classes * samples * elements);
  const probabilities = new Float32Array(classes * samples);
  const expected: reference.ClassMoments[] = [];
  const scales: { second: number[]; third: number[] }[] = [];
  for (let m = 0; m < samples; m++) {
    const weights = Array.from({ length: classes }, () => Math.exp(4 * draw.normal()));
    const total = weights.reduce((a, b) => a + b, 0);
    const p = weights.map((weight) => weight / total);
    const gradients = tensor(
      [classes, elements],
      Float64Array.from(
        { length: classes * elements },
        (_, i) => draw.normal() * sizes[(i % elements) % sizes.length]!,
      ),
    );
    const moments = reference.classMoments(gradients, p);
    expected.push(moments);
    const w = (j: number, e: number) => gradients.data[j * elements + e]! - moments.mean.data[e]!;
    scales.push({
      second: Array.from(moments.second.data),
      third: Array.from({ length: elements }, (_, e) => p.reduce((sum, pj, j) => sum + pj * Math.abs(w(j, e)) ** 3, 0)),
    });
    for (let j = 0; j < classes; j++) {
      probabilities[j * samples + m] = p[j]!;
      for (let e = 0; e < elements; e++) centred[(j * samples + m) * elements + e] = w(j, e);
    }
  }
  return { given: { classes, samples, elements, centred, probabilities }, expected, scales };
}

function assertMoments(found: Float32Array, { given, expected, scales }: ReturnType<typeof makeClasses>): void {
  const { samples, elements } = given;
  for (let m = 0; m < samples; m++) {
    for (const [part, power, name] of [
      [0, 2, 'second'],
      [1, 3, 'third'],
    ] as const) {
      const bySize = (values: ArrayLike<number>) =>
        Array.from(values, (value, e) => value / (scales[m]![name][e]! || 1));
      const own = Float64Array.from({ length: elements }, (_, e) => {
        const at = 3 * (m * elements + e);
        return found[at + part]! * found[at + 2]! ** power;
      });
      const what = `${name} moment by its size, sample ${m}`;
      assertClose(bySize(own), bySize(expected[m]![name].data), { what, scale: 1, tolerance: 2 ** -20 });
    }
  }
}

describe('class moments', () => {
  for (const shape of [
    [1, 1, 1],
    [2, 1, 63],
    [3, 2, 64],
    [10, 3, 65],
    [37, 2, 101],
  ] as [number, number, number][]) {
    opTest(`of ${shape[0]} classes, ${shape[1]} × ${shape[2]} gradients`, async (op) => {
      const made = makeClasses(shape[0], shape, [1]);
      assertMoments(await momentsOf(op, made.given), made);
    });
  }

  opTest('keep their digits from the smallest to the largest gradients', async (op) => {
    const made = makeClasses(5, [9, 2, 70], [1e-30, 1e-18, 1e-7, 1, 1e12, 1e30]);
    assertMoments(await momentsOf(op, made.given), made);
  });

  opTest('take nothing of classes without probability, and are zero where nothing has a gradient', async (op) => {
    const made = makeClasses(6, [4, 2, 5], [1]);
    const { samples, elements } = made.given;
    const size = samples * elements;
    const centred = new Float32Array(6 * size);
    centred.set(made.given.centred);
    centred.fill(Number.POSITIVE_INFINITY, 4 * size, 5 * size);
    centred.fill(3e38, 5 * size);
    const probabilities = new Float32Array(6 * samples);
    probabilities.set(made.given.probabilities);
    const longer = await momentsOf(op, { ...made.given, classes: 6, centred, probabilities });
    assertSameBits(longer, await momentsOf(op, made.given));
    const dead = await momentsOf(op, { ...made.given, centred: new Float32Array(4 * size) });
    assertClose(dead, new Float32Array(3 * size), { tolerance: 0 });
  });
});
