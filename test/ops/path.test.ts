import { describe } from 'vitest';
import { type PathShape, path } from '../../src/ops/path.ts';
import { assertClose, assertSameBits } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import { midpoints } from '../reference/path.ts';
import { tensor } from '../reference/tensor.ts';

interface Rows {
  readonly firstPoint: number;
  readonly points: number;
  readonly clean: number;
}

async function points(op: OpBench, shape: PathShape, x: Float32Array, baseline: Float32Array, rows: Rows) {
  const y = op.output((rows.points + rows.clean) * x.length);
  await op.run(path(shape, rows, { x: op.input(x), baseline: op.input(baseline), y }));
  return op.floats(y);
}

describe('path', () => {
  for (const [channels, cells, steps] of [
    [1, 1, 1],
    [3, 7, 5],
    [3, 65, 2],
    [2, 31 * 17, 50],
  ] as const) {
    const shape = { channels, cells, steps };
    const x = random(cells).uniforms(channels * cells, -120, 150);
    const baseline = random(steps).uniforms(channels, -110, -90);

    opTest(`of ${channels} × ${cells} values has ${steps} midpoints, then the baseline, then the input`, async (op) => {
      const y = await points(op, shape, x, baseline, { firstPoint: 0, points: steps + 1, clean: 1 });
      midpoints(tensor([channels, 1, cells], x), [...baseline], steps).forEach(({ data }, k) => {
        const row = y.subarray(k * x.length, (k + 1) * x.length);
        assertClose(row, data, { what: `point ${k}`, tolerance: 2 ** -22 });
      });
      const start = x.map((_, i) => baseline[Math.floor(i / cells)]!);
      assertSameBits(y.subarray(steps * x.length, (steps + 1) * x.length), start, { what: 'the baseline' });
      assertSameBits(y.subarray((steps + 1) * x.length), x, { what: 'the input' });
    });

    opTest(`of ${channels} × ${cells} values and ${steps} steps is the same in parts`, async (op) => {
      const whole = await points(op, shape, x, baseline, { firstPoint: 0, points: steps + 1, clean: 0 });
      for (let firstPoint = 0; firstPoint <= steps; firstPoint += 2) {
        const count = Math.min(2, steps + 1 - firstPoint);
        const part = await points(op, shape, x, baseline, { firstPoint, points: count, clean: 1 });
        const expected = whole.subarray(firstPoint * x.length, (firstPoint + count) * x.length);
        assertSameBits(part.subarray(0, count * x.length), expected, { what: `points from ${firstPoint}` });
        assertSameBits(part.subarray(count * x.length), x, { what: 'the input' });
      }
    });
  }
});
