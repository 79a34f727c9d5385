import { describe } from 'vitest';
import { type ReluShape, reluGradInput, reluMask, reluMaskWords } from '../../src/ops/relu.ts';
import { assertAdjoint, assertClose } from '../harness/assertions.ts';
import { batchedDifferences } from '../harness/finite-differences.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/relu.ts';
import { tensor } from '../reference/tensor.ts';

const EXACT = { tolerance: 0 };

type Case = readonly [samples: number, shape: ReluShape];

function maps(samples: number, channels: number, height: number, width: number): Case {
  return [samples, { channels, height, width }];
}

const CASES = [
  maps(1, 1, 1, 1),
  maps(2, 31, 1, 1),
  maps(3, 8, 2, 2),
  maps(5, 9, 3, 5),
  maps(4, 7, 4, 1),
  maps(2, 17, 1, 6),
  // More words than one workgroup.
  maps(3, 16, 13, 12),
];

function elementsOf([samples, { channels, height, width }]: Case): number {
  return samples * channels * height * width;
}

/** What a ReLU may give: zero, infinity, tiny and ordinary values. */
function rectified(count: number, seed: number): Float32Array {
  const draw = random(seed);
  const special = [0, Infinity, 1e-30];
  return Float32Array.from({ length: count }, () =>
    draw.integer(0, 4) === 0 ? special[draw.integer(0, special.length - 1)]! : Math.max(0, draw.normal()),
  );
}

async function maskOf(op: OpBench, [samples, shape]: Case, x: Float32Array) {
  const operand = op.input(x);
  const mask = op.output(samples * reluMaskWords(shape));
  await op.run(reluMask(shape, samples, { x: operand, mask }));
  return mask;
}

/** The bits of x > 0 and no others: a word for 2 × 2 cells of 8 channels, cells before channels. */
function expectedMask([samples, { channels, height, width }]: Case, x: Float32Array): Uint32Array {
  const [blocks, rows, columns] = [Math.ceil(channels / 8), Math.ceil(height / 2), Math.ceil(width / 2)];
  const mask = new Uint32Array(samples * blocks * rows * columns);
  x.forEach((value, index) => {
    const [column, row] = [index % width, Math.floor(index / width) % height];
    const [channel, sample] = [
      Math.floor(index / (width * height)) % channels,
      Math.floor(index / (width * height * channels)),
    ];
    const plane = sample * blocks + Math.floor(channel / 8);
    const word = (plane * rows + Math.floor(row / 2)) * columns + Math.floor(column / 2);
    if (value > 0) mask[word]! |= 1 << ((channel % 8) * 4 + (row % 2) * 2 + (column % 2));
  });
  return mask;
}

describe('relu', () => {
  for (const each of CASES) {
    const [samples, shape] = each;
    const sizes = [samples, shape.channels, shape.height, shape.width];
    opTest(sizes.join(' × '), async (op) => {
      const x = rectified(elementsOf(each), shape.channels);
      const gradY = random(samples).normals(x.length);
      const mask = await maskOf(op, each, x);
      assertClose(await op.words(mask), expectedMask(each, x), { what: 'mask', ...EXACT });

      for (const [rule, options] of [
        ['gradient', { mask }],
        ['guided', { mask, positive: true }],
        ['deconvnet', { positive: true }],
      ] as const) {
        const grad = op.input(gradY);
        await op.run(reluGradInput(shape, samples, { grad, ...options }));
        const expected = reference.reluGradInput(tensor(sizes, gradY), tensor(sizes, x), rule);
        assertClose(await op.floats(grad), expected.data, { what: `grad x, ${rule}`, shape: expected.shape, ...EXACT });
      }
    });
  }

  opTest('stops a gradient that is not finite', async (op) => {
    const each = maps(1, 5, 1, 1);
    const [samples, shape] = each;
    const mask = await maskOf(op, each, Float32Array.of(0, 0, 2, 0, 4));
    const grad = op.input(Float32Array.of(Number.NaN, Infinity, Infinity, -Infinity, Number.NaN));
    await op.run(reluGradInput(shape, samples, { mask, grad }));
    assertClose(await op.floats(grad), [0, 0, Infinity, 0, Number.NaN]);
  });

  opTest('has the gradient of finite differences, and is self-adjoint at a point', async (op) => {
    const each = maps(1, 11, 3, 2);
    const [samples, shape] = each;
    const draw = random(4);
    const x = Float32Array.from({ length: elementsOf(each) }, () => draw.integer(-4, 3) + 0.5);
    const gradY = Float32Array.from(x, () => draw.integer(-9, 9));
    const relu = (values: Float32Array) => values.map((value) => Math.max(0, value));
    const mask = await maskOf(op, each, relu(x));
    const backward = async (values: Float32Array) => {
      const grad = op.input(values);
      await op.run(reluGradInput(shape, samples, { mask, grad }));
      return op.floats(grad);
    };

    const gradX = await backward(gradY);
    assertClose(gradX, await batchedDifferences(async (batch) => relu(batch), x, gradY, 0.25), EXACT);
    const direction = draw.normals(x.length);
    assertAdjoint({ x: direction, y: gradY, Ax: await backward(direction), Aty: gradX });
  });
});
