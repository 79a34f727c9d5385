import { describe } from 'vitest';
import { oneHot } from '../../src/ops/one-hot.ts';
import { assertClose } from '../harness/assertions.ts';
import { opTest } from '../harness/op.ts';
import * as reference from '../reference/one-hot.ts';

describe('one-hot', () => {
  for (const [samples, classes, chosen] of [
    [1, 1, 0],
    [3, 7, 6],
    [5, 65, 0],
    [2, 1000, 281],
  ] as const) {
    opTest(`class ${chosen} of ${classes}, ${samples} samples`, async (op) => {
      const y = op.output(samples * classes);
      await op.run(oneHot(classes, samples, { index: op.input(Uint32Array.of(chosen)), y }));
      const expected = reference.oneHot(new Array(samples).fill(chosen), classes);
      assertClose(await op.floats(y), expected.data, { shape: expected.shape, tolerance: 0 });
    });
  }

  for (const contrast of [0, 4, 64]) {
    opTest(`class 4 less class ${contrast}`, async (op) => {
      const y = op.output(3 * 65);
      await op.run(oneHot(65, 3, { index: op.input(Uint32Array.of(4)), y, contrast }));
      const [chosen, subtracted] = [4, contrast].map((index) => reference.oneHot(new Array(3).fill(index), 65));
      const expected = chosen!.data.map((value, i) => value - subtracted!.data[i]!);
      assertClose(await op.floats(y), expected, { shape: [3, 65], tolerance: 0 });
    });
  }

  opTest('rows behind those of other classes', async (op) => {
    const y = op.output(5 * 70);
    for (const [first, samples, chosen] of [
      [2, 3, 69],
      [0, 2, 1],
    ] as const) {
      await op.run(oneHot(70, samples, { index: op.input(Uint32Array.of(chosen)), y, first }));
    }
    const expected = reference.oneHot([1, 1, 69, 69, 69], 70);
    assertClose(await op.floats(y), expected.data, { shape: expected.shape, tolerance: 0 });
  });
});
