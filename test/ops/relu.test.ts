import { describe } from 'vitest';
import { relu, reluGradInput, reluMaskWords } from '../../src/ops/relu.ts';
import { assertAdjoint, assertClose } from '../harness/assertions.ts';
import { batchedDifferences } from '../harness/finite-differences.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/relu.ts';
import { tensor } from '../reference/tensor.ts';

const EXACT = { tolerance: 0 };

const SHAPES = [
  [1, 1],
  [2, 31],
  [3, 32],
  [5, 33],
  [4, 97],
  [1, 2048 + 1],
  [3, 64 * 32 + 65],
] as const;

/** Positive, negative, both zeros, infinities. */
function values(count: number, seed: number): Float32Array {
  const draw = random(seed);
  const special = [0, -0, Infinity, -Infinity, 1e-30, -1e-30];
  return Float32Array.from({ length: count }, () =>
    draw.integer(0, 4) === 0 ? special[draw.integer(0, special.length - 1)]! : draw.normal(),
  );
}

async function rectify(op: OpBench, elements: number, samples: number, x: Float32Array) {
  const operand = op.input(x);
  const mask = op.output(samples * reluMaskWords(elements));
  await op.run(relu(elements, samples, { x: operand, mask, rectify: true }));
  return { y: await op.floats(operand), mask };
}

/** Whether the mask has the bits of x > 0 and no others, each sample beginning with a new word. */
function expectedMask(elements: number, samples: number, x: Float32Array): Uint32Array {
  const words = reluMaskWords(elements);
  const mask = new Uint32Array(samples * words);
  x.forEach((value, index) => {
    const element = index % elements;
    if (value > 0) mask[Math.floor(index / elements) * words + (element >>> 5)] |= 1 << (element % 32);
  });
  return mask;
}

describe('relu', () => {
  for (const [samples, elements] of SHAPES) {
    opTest(`${samples} × ${elements} elements`, async (op) => {
      const count = samples * elements;
      const x = values(count, elements);
      const gradY = random(samples).normals(count);
      const oracle = tensor([samples, elements], x);

      const { y, mask } = await rectify(op, elements, samples, x);
      assertClose(y, reference.relu(oracle).data, { what: 'y', ...EXACT });
      assertClose(await op.words(mask), expectedMask(elements, samples, x), { what: 'mask', ...EXACT });

      const grad = op.input(gradY);
      await op.run(reluGradInput(elements, samples, { mask, grad }));
      const expected = reference.reluGradInput(tensor([samples, elements], gradY), oracle);
      const gradX = await op.floats(grad);
      assertClose(gradX, expected.data, { what: 'grad x', shape: expected.shape, ...EXACT });
    });
  }

  opTest('makes the same mask of what is rectified already, and leaves it alone', async (op) => {
    const [samples, elements] = [3, 77];
    const x = values(samples * elements, 3);
    const { y, mask } = await rectify(op, elements, samples, x);
    const rectified = op.input(y);
    const again = op.output(samples * reluMaskWords(elements));
    await op.run(relu(elements, samples, { x: rectified, mask: again }));
    assertClose(await op.words(again), await op.words(mask), EXACT);
    assertClose(await op.floats(rectified), y, EXACT);
  });

  opTest('stops a gradient that is not finite', async (op) => {
    const x = Float32Array.of(-1, 0, 2, -3, 4);
    const { mask } = await rectify(op, x.length, 1, x);
    const grad = op.input(Float32Array.of(Number.NaN, Infinity, Infinity, -Infinity, Number.NaN));
    await op.run(reluGradInput(x.length, 1, { mask, grad }));
    assertClose(await op.floats(grad), [0, 0, Infinity, 0, Number.NaN]);
  });

  opTest('has the gradient of finite differences, and is self-adjoint at a point', async (op) => {
    const elements = 67;
    const draw = random(4);
    const x = Float32Array.from({ length: elements }, () => draw.integer(-4, 3) + 0.5);
    const gradY = Float32Array.from({ length: elements }, () => draw.integer(-9, 9));
    const { mask } = await rectify(op, elements, 1, x);
    const backward = async (values: Float32Array) => {
      const grad = op.input(values);
      await op.run(reluGradInput(elements, 1, { mask, grad }));
      return op.floats(grad);
    };

    const forward = async (batch: Float32Array, samples: number) => (await rectify(op, elements, samples, batch)).y;
    const gradX = await backward(gradY);
    assertClose(gradX, await batchedDifferences(forward, x, gradY, 0.25), EXACT);
    const direction = draw.normals(elements);
    assertAdjoint({ x: direction, y: gradY, Ax: await backward(direction), Aty: gradX });
  });
});
