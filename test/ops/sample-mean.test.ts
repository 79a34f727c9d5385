import { describe } from 'vitest';
import { copySample, sampleMean } from '../../src/ops/sample-mean.ts';
import { assertClose, assertSameBits } from '../harness/assertions.ts';
import { opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/sample-mean.ts';
import { tensor } from '../reference/tensor.ts';

describe('sample-mean', () => {
  for (const [samples, elements] of [
    [1, 1],
    [2, 63],
    [3, 64],
    [5, 65],
    [4, 1009],
  ] as const) {
    opTest(`of ${samples} × ${elements}`, async (op) => {
      const x = random(elements).normals(samples * elements);
      const total = op.output(elements);
      const rows = { first: 0, samples, keep: 0, scale: 1 / samples };
      await op.run(sampleMean(elements, rows, { x: op.input(x), total }));
      const expected = reference.sampleMean(tensor([samples, elements], x));
      assertClose(await op.floats(total), expected.data, { terms: samples });
    });
  }

  opTest('gives the same bits however the samples come in batches', async (op) => {
    const [samples, elements] = [7, 131];
    const x = random(5).normals(samples * elements);
    const mean = async (...batches: number[]) => {
      const total = op.output(elements);
      let done = 0;
      for (const count of batches) {
        const part = x.subarray(done * elements, (done + count) * elements);
        const rows = { first: 0, samples: count, keep: done === 0 ? 0 : 1, scale: 1 / samples };
        await op.run(sampleMean(elements, rows, { x: op.input(part), total }));
        done += count;
      }
      return op.floats(total);
    };
    const whole = await mean(7);
    assertSameBits(await mean(3, 4), whole, { what: '3 + 4' });
    assertSameBits(await mean(1, 1, 1, 1, 1, 1, 1), whole, { what: 'one at a time' });
  });

  opTest('begins at a row, and keeps a share of what is there', async (op) => {
    const elements = 5;
    const x = Float32Array.from({ length: 4 * elements }, (_, i) => i);
    const total = op.input(Float32Array.of(8, 16, 24, 32, 40));
    await op.run(sampleMean(elements, { first: 1, samples: 2, keep: 0.25, scale: 2 }, { x: op.input(x), total }));
    const expected = [8, 16, 24, 32, 40].map((old, i) => old / 4 + 2 * (x[elements + i]! + x[2 * elements + i]!));
    assertClose(await op.floats(total), expected, { tolerance: 0 });
  });

  opTest('copies one sample, bit for bit', async (op) => {
    const [samples, elements] = [3, 97];
    const x = random(6).normals(samples * elements);
    for (let row = 0; row < samples; row++) {
      const total = op.output(elements);
      await op.run(copySample(elements, row, { x: op.input(x), total }));
      assertSameBits(await op.floats(total), x.subarray(row * elements, (row + 1) * elements), { what: `row ${row}` });
    }
  });

  opTest('spans more workgroups than one dimension of a grid holds', async (op) => {
    const elements = 64 * 65_535 + 100;
    const x = Float32Array.from({ length: elements }, (_, i) => i);
    const total = op.output(elements);
    await op.run(copySample(elements, 0, { x: op.input(x), total }));
    assertSameBits(await op.floats(total), x);
  });
});
