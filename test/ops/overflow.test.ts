import { describe } from 'vitest';
import { overflow } from '../../src/ops/overflow.ts';
import { assertEqual } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/overflow.ts';

async function flagOf(op: OpBench, x: Float32Array, before = 0): Promise<number> {
  const flag = op.input(Uint32Array.of(before));
  // What lies behind the values is NaN, and none of its business.
  await op.run(overflow(x.length, { x: op.input(x), flag }));
  return (await op.words(flag))[0]!;
}

const LARGEST = 2 ** 127 * (2 - 2 ** -23);

describe('overflow', () => {
  for (const elements of [1, 63, 64, 65, 1000, 4099]) {
    opTest(`of ${elements} values`, async (op) => {
      const draw = random(elements);
      const finite = draw.normals(elements);
      finite[draw.integer(0, elements - 1)] = LARGEST;
      assertEqual(await flagOf(op, finite), reference.overflow(finite), 'finite');
      for (const value of [Infinity, -Infinity, Number.NaN]) {
        for (const place of [0, elements - 1, draw.integer(0, elements - 1)]) {
          const broken = finite.slice();
          broken[place] = value;
          assertEqual(await flagOf(op, broken), reference.overflow(broken), `${value} at ${place}`);
        }
      }
    });
  }

  opTest('takes zeros, subnormal numbers and the ends of the range for what they are', async (op) => {
    const x = Float32Array.of(0, -0, 2 ** -149, -(2 ** -149), LARGEST, -LARGEST);
    assertEqual(await flagOf(op, x), reference.overflow(x), 'flag');
  });

  opTest('leaves a flag that was set', async (op) => {
    assertEqual(await flagOf(op, Float32Array.of(1), 1), 1, 'flag');
  });
});
