import { describe } from 'vitest';
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
