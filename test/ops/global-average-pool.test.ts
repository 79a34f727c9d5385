import { describe } from 'vitest';
import {
  type GlobalAveragePoolShape,
  globalAveragePool,
  globalAveragePoolGradInput,
} from '../../src/ops/global-average-pool.ts';
import { assertAdjoint, assertClose, assertSameBits } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/global-average-pool.ts';
import { tensor } from '../reference/tensor.ts';

async function pooled(op: OpBench, shape: GlobalAveragePoolShape, samples: number, x: Float32Array) {
  const y = op.output(samples * shape.channels);
  await op.run(globalAveragePool(shape, samples, { x: op.input(x), y }));
  return op.floats(y);
}

async function spread(op: OpBench, shape: GlobalAveragePoolShape, samples: number, gradY: Float32Array) {
  const gradX = op.output(samples * shape.channels * shape.height * shape.width);
  await op.run(globalAveragePoolGradInput(shape, samples, { gradY: op.input(gradY), gradX }));
  return op.floats(gradX);
}

describe('global-average-pool', () => {
  for (const [samples, channels, height, width] of [
    [1, 1, 1, 1],
    [3, 5, 1, 1],
    [1, 1, 3, 7],
    [5, 13, 7, 7],
    [2, 64, 4, 4],
    [3, 65, 14, 13],
    [1, 63, 2, 31],
  ] as const) {
    opTest(`${samples} × [${channels}, ${height} × ${width}]`, async (op) => {
      const shape = { channels, height, width };
      const cells = height * width;
      const x = random(cells).normals(samples * channels * cells);
      const y = await pooled(op, shape, samples, x);
      const expected = reference.globalAveragePool(tensor([samples, channels, height, width], x));
      assertClose(y, expected.data, { what: 'y', shape: expected.shape, terms: cells, scale: 1 });

      const gradY = random(channels).normals(y.length);
      const gradX = await spread(op, shape, samples, gradY);
      const expectedGrad = reference.globalAveragePoolGradInput(tensor([samples, channels], gradY), [height, width]);
      assertClose(gradX, expectedGrad.data, { what: 'grad x', shape: expectedGrad.shape });
      assertAdjoint({ x, y: gradY, Ax: y, Aty: gradX }, { terms: cells });
    });
  }

  opTest('gives a sample the same bits whatever samples are beside it', async (op) => {
    const [samples, shape] = [5, { channels: 7, height: 14, width: 14 }];
    const size = shape.channels * 14 * 14;
    const x = random(3).normals(samples * size);
    const all = await pooled(op, shape, samples, x);
    for (let s = 0; s < samples; s++) {
      const alone = await pooled(op, shape, 1, x.subarray(s * size, (s + 1) * size));
      assertSameBits(alone, all.subarray(s * shape.channels, (s + 1) * shape.channels), { what: `sample ${s}` });
    }
  });

  opTest('passes infinities on, and to no other map', async (op) => {
    const shape = { channels: 2, height: 1, width: 2 };
    assertClose(await pooled(op, shape, 1, Float32Array.of(1, Infinity, 2, 4)), [Infinity, 3]);
    assertClose(await spread(op, shape, 1, Float32Array.of(-Infinity, 8)), [-Infinity, -Infinity, 4, 4]);
  });

  opTest('spans more workgroups than one dimension of a grid holds', async (op) => {
    const shape = { channels: 64 * 65_535 + 100, height: 1, width: 1 };
    const x = Float32Array.from({ length: shape.channels }, (_, i) => i);
    assertSameBits(await pooled(op, shape, 1, x), x, { what: 'y' });
    assertSameBits(await spread(op, shape, 1, x), x, { what: 'grad x' });
  });
});
