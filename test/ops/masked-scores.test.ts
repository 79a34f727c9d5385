import { describe } from 'vitest';
import { maskedScores, maskedScoreWeights, scoreDropWeights } from '../../src/ops/masked-scores.ts';
import { assertClose, FLOAT32_EPSILON } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/masked-scores.ts';

/** @param masked by map: whether it makes a mask; default all */
async function weightsOf(op: OpBench, scores: Float32Array, masked = (_: number) => true): Promise<Float32Array> {
  const maps = scores.length;
  const ranges = Float32Array.from({ length: 2 * maps }, (_, i) => (i % 2 === 1 && masked((i - 1) / 2) ? 3 : 1));
  const weights = op.output(maps);
  await op.run(maskedScoreWeights(maps, { scores: op.input(scores), ranges: op.input(ranges), weights }));
  return op.floats(weights);
}

describe('masked-scores', () => {
  opTest('are the logits of one class, of the copies of each batch', async (op) => {
    const [maps, classes, classIndex] = [131, 7, 4];
    const logits = random(1).normals(maps * classes);
    const index = op.input(Uint32Array.of(classIndex));
    const scores = op.output(maps);
    for (const [first, count] of [
      [0, 65],
      [65, 1],
      [66, 65],
    ] as const) {
      const ofBatch = op.input(logits.subarray(first * classes, (first + count) * classes));
      await op.run(maskedScores(classes, { first, count }, { logits: ofBatch, index, scores }));
    }
    const expected = Array.from({ length: maps }, (_, m) => logits[m * classes + classIndex]!);
    assertClose(await op.floats(scores), expected, { what: 'scores', tolerance: 0 });
  });

  for (const maps of [1, 2, 63, 64, 65, 512]) {
    opTest(`weigh ${maps} maps by their softmax`, async (op) => {
      const scores = random(maps)
        .normals(maps)
        .map((value) => 5 * value - 40);
      // A score's rounding is one of the whole weight.
      const tolerance = 2 * 60 * FLOAT32_EPSILON;
      assertClose(await weightsOf(op, scores), reference.maskedScoreWeights([...scores]).data, { tolerance });
      const some = (k: number) => k % 3 !== 1;
      const expected = reference.maskedScoreWeights([...scores].map((score, k) => (some(k) ? score : undefined)));
      assertClose(await weightsOf(op, scores, some), expected.data, { tolerance });
    });
  }

  opTest('weigh maps by how much the score falls without them', async (op) => {
    for (const maps of [1, 64, 65, 512]) {
      for (const score of [7.5, -3, 0, 1e-40, 1e30, -1e-20]) {
        const size = Math.max(Math.abs(score), 1e-25);
        const scores = random(maps)
          .normals(maps)
          .map((value) => size * value);
        const logits = op.input(Float32Array.of(1, 2, score));
        const weights = op.output(maps);
        const index = op.input(Uint32Array.of(2));
        await op.run(scoreDropWeights(maps, { scores: op.input(scores), logits, index, weights }));
        const expected = reference.scoreDropWeights(score === 1e-40 ? 0 : score, [...scores]);
        const what = `${maps} maps, a score of ${score}`;
        assertClose(await op.floats(weights), expected.data, { what, tolerance: 4 * FLOAT32_EPSILON });
      }
    }
  });

  opTest('do not overflow, and leave all weights zero where no map makes a mask', async (op) => {
    assertClose(await weightsOf(op, Float32Array.of(3e38, -3e38, 3e38)), [0.5, 0, 0.5], { tolerance: 1e-6 });
    assertClose(await weightsOf(op, Float32Array.of(-3e38, -1e30, -3e38)), [0, 1, 0], { tolerance: 1e-6 });
    assertClose(await weightsOf(op, Float32Array.of(1, 2, 3), () => false), [0, 0, 0], { tolerance: 0 });
  });
});
