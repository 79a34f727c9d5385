import { describe } from 'vitest';
import { type AttributionShape, attribution } from '../../src/ops/attribution.ts';
import { assertClose } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import { attributionMap, timesInput } from '../reference/attribution.ts';
import { type Tensor, tensor } from '../reference/tensor.ts';

const SHAPES: readonly AttributionShape[] = [
  { channels: 1, cells: 1, samples: 1 },
  { channels: 3, cells: 64, samples: 1 },
  { channels: 3, cells: 61 * 5, samples: 7 },
  { channels: 2, cells: 65, samples: 3 },
];

/** What moments() leaves: Σ g in front of three numbers that play no part here. */
function sumsOf(gradient: Float32Array, samples: number): Float32Array {
  return Float32Array.from({ length: 4 * gradient.length }, (_, i) =>
    i % 4 === 0 ? samples * gradient[i / 4]! : Number.NaN,
  );
}

async function run(
  op: OpBench,
  shape: AttributionShape,
  reduce: 'largest' | 'sum',
  sums: Float32Array,
  factor?: { x: Tensor; baseline: Float32Array },
) {
  const { channels, cells } = shape;
  const [signed, map] = [op.output(channels * cells), op.output(cells)];
  const operands = factor && { x: op.input(Float32Array.from(factor.x.data)), baseline: op.input(factor.baseline) };
  await op.run(attribution(shape, reduce, { sums: op.input(sums), signed, map }, operands));
  return { signed: await op.floats(signed), map: await op.floats(map) };
}

describe('attribution', () => {
  for (const shape of SHAPES) {
    const { channels, cells, samples } = shape;
    for (const reduce of ['largest', 'sum'] as const) {
      opTest(`of ${channels} × ${cells}, n = ${samples}, by the ${reduce}`, async (op) => {
        const draw = random(cells);
        const gradient = draw.normals(channels * cells);
        const size = [channels, 1, cells];
        const x = tensor(size, draw.uniforms(channels * cells, -100, 100));
        const sums = sumsOf(gradient, samples);

        const plain = await run(op, shape, reduce, sums);
        assertClose(plain.signed, gradient, { what: 'gradient', tolerance: 1e-6 });
        assertClose(plain.map, attributionMap(tensor(size, gradient), reduce).data, { what: 'map', tolerance: 1e-6 });

        for (const baseline of [new Float32Array(channels), draw.uniforms(channels, -100, 100)]) {
          const expected = timesInput(tensor(size, gradient), x, [...baseline]);
          const product = await run(op, shape, reduce, sums, { x, baseline });
          const what = `gradient × input − ${baseline}`;
          assertClose(product.signed, expected.data, { what, tolerance: 1e-6 });
          assertClose(product.map, attributionMap(expected, reduce).data, { what: `map of ${what}`, tolerance: 1e-6 });
        }
      });
    }
  }

  opTest('times a map that is the same for every channel', async (op) => {
    const shape = { channels: 3, cells: 70, samples: 2 };
    const draw = random(8);
    const gradient = draw.normals(3 * 70);
    const heat = draw.uniforms(70, 0, 4);
    const [signed, map] = [op.output(3 * 70), op.output(70)];
    const buffers = { sums: op.input(sumsOf(gradient, 2)), signed, map };
    await op.run(attribution(shape, 'largest', buffers, { heat: op.input(heat) }));
    const expected = tensor(
      [3, 1, 70],
      gradient.map((g, i) => g * heat[i % 70]!),
    );
    assertClose(await op.floats(signed), expected.data, { what: 'product', tolerance: 1e-6 });
    assertClose(await op.floats(map), attributionMap(expected, 'largest').data, { what: 'map', tolerance: 1e-6 });
  });

  opTest('is zero where all is against the class, and where there is no gradient', async (op) => {
    const shape = { channels: 2, cells: 3, samples: 1 };
    const gradient = Float32Array.of(-1, 0, 2, -3, 0, -2);
    const { signed, map } = await run(op, shape, 'sum', sumsOf(gradient, 1));
    assertClose(signed, gradient, { tolerance: 0 });
    assertClose(map, [0, 0, 0], { tolerance: 0 });
    const { map: largest } = await run(op, shape, 'largest', sumsOf(gradient, 1));
    assertClose(largest, [3, 0, 2], { tolerance: 0 });
  });
});
