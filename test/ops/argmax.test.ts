import { describe } from 'vitest';
import { argmax } from '../../src/ops/argmax.ts';
import { assertEqual } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/argmax.ts';
import { tensor } from '../reference/tensor.ts';

async function winner(op: OpBench, columns: number, row: number, x: Float32Array): Promise<number> {
  const index = op.output(1);
  await op.run(argmax(columns, row, { x: op.input(x), index }));
  return (await op.words(index))[0]!;
}

describe('argmax', () => {
  for (const [rows, columns] of [
    [1, 1],
    [2, 7],
    [3, 63],
    [2, 64],
    [5, 65],
    [2, 1000],
  ] as const) {
    opTest(`${rows} rows of ${columns}`, async (op) => {
      const draw = random(columns);
      const distinct = draw.normals(rows * columns);
      const tied = Float32Array.from(distinct, () => draw.integer(-2, 2));
      for (const x of [distinct, tied, distinct.map((value) => -1e30 - Math.abs(value) * 1e30)]) {
        const expected = reference.argmax(tensor([rows, columns], x));
        for (let row = 0; row < rows; row++) {
          assertEqual(await winner(op, columns, row, x), expected[row], `winner of row ${row}`);
        }
      }
    });
  }

  opTest('takes the first of equals, whichever invocation looks at them', async (op) => {
    const columns = 200;
    for (const [first, second] of [
      [0, 199],
      [70, 71],
      [3, 67],
      [65, 130],
      [126, 190],
    ] as const) {
      const x = new Float32Array(columns).fill(-1);
      x[first] = x[second] = 2;
      assertEqual(await winner(op, columns, 0, x), first, `winner of ${first} and ${second}`);
    }
    assertEqual(await winner(op, columns, 0, new Float32Array(columns).fill(-Infinity)), 0, 'winner of all equal');
  });
});
