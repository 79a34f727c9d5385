import { describe } from 'vitest';
import { logSoftmaxGradInput } from '../../src/ops/softmax.log-grad-input.ts';
import { softmax } from '../../src/ops/softmax.ts';
import { assert, assertClose } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/softmax.ts';
import { tensor } from '../reference/tensor.ts';

async function probabilities(op: OpBench, classes: number, rows: number, logits: Float32Array): Promise<Float32Array> {
  const result = op.output(rows * classes);
  await op.run(softmax(classes, rows, { logits: op.input(logits), probabilities: result }));
  return op.floats(result);
}

describe('softmax', () => {
  for (const [rows, classes] of [
    [1, 1],
    [2, 10],
    [3, 63],
    [1, 64],
    [5, 65],
    [1, 1000],
  ] as const) {
    opTest(`${rows} rows of ${classes} classes`, async (op) => {
      for (const spread of [0.1, 5, 80]) {
        const logits = random(classes)
          .normals(rows * classes)
          .map((value) => value * spread);
        const expected = reference.softmax(tensor([rows, classes], logits));
        const found = await probabilities(op, classes, rows, logits);
        // Logits that are far below the largest lose digits as their own size grows, and their share as fast.
        assertClose(found, expected.data, { what: `logits × ${spread}`, shape: expected.shape, terms: 4 });
        for (let row = 0; row < rows; row++) {
          const sum = found.subarray(row * classes, (row + 1) * classes).reduce((a, b) => a + b, 0);
          assert(Math.abs(sum - 1) < 1e-5, `row ${row} sums to ${sum}`);
        }
      }
    });
  }

  opTest('neither overflows nor divides by zero', async (op) => {
    const logits = Float32Array.of(3e38, 3e38, -3e38, -1000, -1001, -1002, 1e4, 1e4 - 1, -1e4);
    const expected = reference.softmax(tensor([3, 3], logits));
    assertClose(await probabilities(op, 3, 3, logits), expected.data, { shape: expected.shape });
  });
});

describe('gradient of log softmax', () => {
  for (const [samples, classes, chosen] of [
    [1, 1, [0]],
    [2, 10, [9, 0]],
    [3, 65, [64, 1, 64]],
    [2, 1000, [999, 281]],
  ] as const) {
    opTest(`of ${samples} samples of ${classes} classes`, async (op) => {
      for (const spread of [0.1, 5, 40]) {
        const values = random(classes)
          .normals(samples * classes)
          .map((value) => value * spread);
        const p = reference.softmax(tensor([samples, classes], values)).data;
        // In front of the classes meant there are others.
        const index = op.input(Uint32Array.of(0, 0, ...chosen));
        for (const first of [2, undefined]) {
          const y = op.output(samples * classes);
          await op.run(logSoftmaxGradInput(classes, samples, { logits: op.input(values), index, y, first }));
          const found = await op.floats(y);
          for (let m = 0; m < samples; m++) {
            const row = p.subarray(m * classes, (m + 1) * classes);
            const own = first === undefined ? 0 : chosen[m]!;
            const others = row.reduce((sum, value, j) => (j === own ? sum : sum + value), 0);
            const expected = row.map((value, j) => (j === own ? others : -value));
            // Relative to all but the class itself: where p is nearly 1, its own element is as small as theirs.
            const options = { what: `logits × ${spread}, sample ${m}`, tolerance: 2 ** -16, scale: others };
            assertClose(found.subarray(m * classes, (m + 1) * classes), expected, options);
          }
        }
      }
    });
  }
});
