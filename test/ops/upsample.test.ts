import { describe } from 'vitest';
import { upsample } from '../../src/ops/upsample.ts';
import { assertClose, assertSameBits, FLOAT32_EPSILON } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import { tensor } from '../reference/tensor.ts';
import * as reference from '../reference/upsample.ts';

type Size = readonly [height: number, width: number];

async function resize(op: OpBench, maps: number, [height, width]: Size, out: Size, x: Float32Array) {
  const [outHeight, outWidth] = out;
  const y = op.output(maps * outHeight * outWidth);
  await op.run(upsample({ maps, height, width }, { outHeight, outWidth }, { x: op.input(x), y }));
  return op.floats(y);
}

const CASES: [maps: number, from: Size, to: Size][] = [
  [1, [1, 1], [5, 7]],
  [2, [1, 6], [3, 13]],
  [3, [2, 3], [7, 5]],
  [1, [14, 14], [224, 224]],
  [2, [7, 7], [97, 31]],
  [1, [13, 9], [6, 4]],
  [5, [4, 5], [8, 10]],
];

describe('upsample', () => {
  for (const [maps, from, to] of CASES) {
    opTest(`${maps} × ${from.join(' × ')} to ${to.join(' × ')}`, async (op) => {
      const x = random(from[0] * to[1]).normals(maps * from[0] * from[1]);
      const expected = reference.upsample(tensor([maps, ...from], x), to);
      const y = await resize(op, maps, from, to, x);
      // Places between cells are rounded by their own size, up to the map's, and so are the shares.
      const tolerance = 4 * FLOAT32_EPSILON * Math.max(...from);
      assertClose(y, expected.data, { shape: expected.shape, tolerance });
    });
  }

  opTest('changes nothing at the same size', async (op) => {
    const x = random(1).normals(3 * 5 * 7);
    assertSameBits(await resize(op, 3, [5, 7], [5, 7], x), x);
  });
});
