import { describe } from 'vitest';
import { ablate } from '../../src/ops/ablate.ts';
import { assertSameBits } from '../harness/assertions.ts';
import { opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/ablate.ts';
import { tensor } from '../reference/tensor.ts';

describe('ablate', () => {
  for (const [maps, cells] of [
    [1, 1],
    [2, 63],
    [7, 64],
    [13, 65],
    [64, 196],
  ] as const) {
    opTest(`${maps} maps of ${cells} cells, in one batch and in several`, async (op) => {
      const values = random(maps + cells).normals(maps * cells);
      const activations = op.input(values);
      const expected = Float32Array.from(reference.ablations(tensor([maps, cells], values)).data);
      const part = Math.ceil(maps / 3);
      for (const count of new Set([maps, part])) {
        for (let first = 0; first < maps; first += count) {
          const copies = { first, count: Math.min(count, maps - first) };
          const y = op.output(copies.count * maps * cells);
          await op.run(ablate({ maps, cells }, copies, { activations, y }));
          const from = first * maps * cells;
          const what = `${copies.count} copies from ${first}`;
          assertSameBits(await op.floats(y), expected.subarray(from, from + copies.count * maps * cells), { what });
        }
      }
    });
  }
});
