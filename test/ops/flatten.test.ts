import { describe } from 'vitest';
import { flatten, flattenGradInput } from '../../src/ops/flatten.ts';
import { assertClose } from '../harness/assertions.ts';
import { opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/flatten.ts';
import { reshape, tensor } from '../reference/tensor.ts';

const EXACT = { tolerance: 0 };

const SHAPES = [
  [1, 1, 1, 1],
  [3, 5, 1, 1],
  [2, 1, 3, 7],
  [5, 7, 2, 3],
  [2, 65, 3, 5],
  [1, 64, 7, 7],
] as const;

describe('flatten', () => {
  for (const [samples, channels, height, width] of SHAPES) {
    opTest(`${samples} × [${channels}, ${height} × ${width}] in H, W, C order`, async (op) => {
      const shape = { channels, height, width };
      const x = random(channels).normals(samples * channels * height * width);
      const oracle = tensor([samples, channels, height, width], x);

      const y = op.output(x.length);
      await op.run(flatten(shape, samples, { x: op.input(x), y }));
      assertClose(await op.floats(y), reference.flatten(oracle, 'hwc').data, { what: 'y', ...EXACT });

      // A permutation's adjoint is its inverse: the exact comparison says all that ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ would.
      const gradX = op.output(x.length);
      await op.run(flattenGradInput(shape, samples, { gradY: op.input(x), gradX }));
      const row = [channels, height, width] as const;
      const expected = reference.flattenGradInput(reshape(oracle, [samples, x.length / samples]), 'hwc', row);
      assertClose(await op.floats(gradX), expected.data, { what: 'grad x', shape: expected.shape, ...EXACT });
      const back = op.output(x.length);
      await op.run(flattenGradInput(shape, samples, { gradY: y, gradX: back }));
      assertClose(await op.floats(back), x, { what: 'there and back', ...EXACT });
    });
  }
});
