import { describe } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import {
  type MaxpoolShape,
  maxpool,
  maxpoolCodeWords,
  maxpoolGradInput,
  maxpoolOutput,
} from '../../src/ops/maxpool.ts';
import { thorough } from '../harness/adapter.ts';
import { assertAdjoint, assertClose, assertRejects, assertSameBits } from '../harness/assertions.ts';
import { batchedDifferences } from '../harness/finite-differences.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/maxpool.ts';
import { type ReluRule, reluGradInput } from '../reference/relu.ts';
import { type Tensor, tensor } from '../reference/tensor.ts';

const EXACT = { tolerance: 0 };

type Case = readonly [samples: number, shape: MaxpoolShape];

function pool(
  samples: number,
  [channels, height, width]: readonly [number, number, number],
  [kernel, stride]: readonly [number, number],
): Case {
  return [samples, { channels, height, width, kernel, stride }];
}

const CASES: Case[] = [
  pool(1, [1, 2, 2], [2, 2]),
  pool(3, [3, 5, 7], [2, 2]),
  pool(5, [2, 9, 8], [3, 2]),
  pool(2, [5, 7, 6], [3, 1]),
  ...(thorough
    ? [
        pool(1, [1, 3, 3], [3, 2]),
        pool(2, [17, 4, 4], [2, 2]),
        pool(4, [7, 11, 3], [2, 1]),
        pool(1, [3, 5, 5], [1, 1]),
        pool(2, [3, 10, 11], [3, 3]),
        pool(1, [2, 9, 9], [2, 3]),
        pool(2, [1, 13, 12], [5, 2]),
        pool(1, [2, 12, 13], [11, 1]),
        // More code words than one workgroup.
        pool(5, [13, 31, 17], [2, 2]),
        pool(3, [9, 19, 23], [3, 2]),
      ]
    : []),
];

function title([samples, { channels, height, width, kernel, stride }]: Case): string {
  return `${samples} × [${channels}, ${height} × ${width}], window ${kernel}, stride ${stride}`;
}

function inputTensor([samples, { channels, height, width }]: Case, x: Float32Array): Tensor {
  return tensor([samples, channels, height, width], x);
}

/** Whole numbers 0 … 3, as behind a ReLU: most windows have a tie, some are all zero. */
function tiedInput([samples, { channels, height, width }]: Case): Float32Array {
  const draw = random(height * width);
  return Float32Array.from({ length: samples * channels * height * width }, () => Math.max(0, draw.integer(-4, 3)));
}

async function forward(op: OpBench, [samples, shape]: Case, x: Float32Array) {
  const out = maxpoolOutput(shape);
  const y = op.output(samples * shape.channels * out.height * out.width);
  const codes = op.output(samples * maxpoolCodeWords(shape));
  await op.run(maxpool(shape, samples, { x: op.input(x), y, codes }));
  return { y: await op.floats(y), codes };
}

async function gradInput(
  op: OpBench,
  [samples, shape]: Case,
  x: Float32Array,
  gradY: Float32Array,
  options: { rectified?: boolean; positive?: boolean } = {},
): Promise<Float32Array> {
  const { codes } = await forward(op, [samples, shape], x);
  const gradX = op.output(x.length);
  await op.run(maxpoolGradInput(shape, samples, { gradY: op.input(gradY), codes, gradX, ...options }));
  return op.floats(gradX);
}

const RELU_RULES: Record<ReluRule, { rectified: boolean; positive: boolean }> = {
  gradient: { rectified: true, positive: false },
  guided: { rectified: true, positive: true },
  deconvnet: { rectified: false, positive: true },
};

describe('maxpool', () => {
  for (const each of CASES) {
    const [samples, shape] = each;
    const parameters = { size: shape.kernel, stride: shape.stride };
    opTest(title(each), async (op) => {
      const normal = random(7).normals(samples * shape.channels * shape.height * shape.width);
      for (const [kind, x] of [
        ['no ties', normal],
        ['ties and zeros', tiedInput(each)],
      ] as const) {
        const oracle = inputTensor(each, x);
        const expected = reference.maxpool(oracle, parameters);
        const { y } = await forward(op, each, x);
        assertClose(y, expected.data, { what: `y, ${kind}`, shape: expected.shape, ...EXACT });

        const gradY = random(8).normals(y.length);
        const gradX = await gradInput(op, each, x, gradY);
        const expectedGrad = reference.maxpoolGradInput(tensor(expected.shape, gradY), oracle, parameters);
        assertClose(gradX, expectedGrad.data, {
          what: `grad x, ${kind}`,
          shape: oracle.shape,
          // How many windows a cell can win.
          terms: Math.ceil(shape.kernel / shape.stride) ** 2,
        });
        // With the winners fixed, pooling is linear.
        const direction = random(9).normals(x.length);
        const winners = reference.maxpoolArgmax(oracle, parameters);
        const Ax = winners.map((winner) => direction[winner]!);
        assertAdjoint({ x: direction, y: gradY, Ax, Aty: gradX }, { what: `adjoint, ${kind}` });
      }
    });

    opTest(`passes nothing through a dead ReLU in front: ${title(each)}`, async (op) => {
      const x = tiedInput(each);
      const oracle = inputTensor(each, x);
      const shapeY = reference.maxpool(oracle, parameters).shape;
      const gradY = tensor(shapeY, random(8).normals(shapeY.reduce((a, b) => a * b)));
      for (const [rule, options] of Object.entries(RELU_RULES)) {
        const gradX = await gradInput(op, each, x, Float32Array.from(gradY.data), options);
        const behind = reference.maxpoolGradInput(gradY, oracle, parameters);
        assertClose(gradX, reluGradInput(behind, oracle, rule as ReluRule).data, {
          what: `${rule} in front of the ReLU`,
          shape: oracle.shape,
          terms: Math.ceil(shape.kernel / shape.stride) ** 2,
        });
      }
    });
  }

  opTest('gives the same outputs without codes', async (op) => {
    const each = pool(2, [3, 7, 9], [3, 2]);
    const [samples, shape] = each;
    const x = random(2).normals(samples * shape.channels * shape.height * shape.width);
    const { y } = await forward(op, each, x);
    const bare = op.output(y.length);
    await op.run(maxpool(shape, samples, { x: op.input(x), y: bare }));
    assertSameBits(await op.floats(bare), y);
  });

  opTest('pools infinities', async (op) => {
    const each = pool(1, [1, 2, 4], [2, 2]);
    const x = Float32Array.of(-Infinity, -Infinity, 1, Infinity, -Infinity, -Infinity, 2, -Infinity);
    assertClose((await forward(op, each, x)).y, [-Infinity, Infinity]);
    assertClose(await gradInput(op, each, x, Float32Array.of(3, 5)), [3, 0, 0, 5, 0, 0, 0, 0]);
  });

  for (const each of [pool(1, [2, 5, 4], [2, 2]), pool(1, [2, 5, 6], [3, 1])]) {
    const [, shape] = each;
    opTest(`has the gradient of finite differences: ${title(each)}`, async (op) => {
      const draw = random(6);
      // Every value once, a unit apart: no step changes a winner.
      const order = Array.from({ length: shape.channels * shape.height * shape.width }, (_, i) => ({
        value: i - 11,
        key: draw.uniform(),
      }));
      const x = Float32Array.from(order.sort((a, b) => a.key - b.key).map(({ value }) => value));
      const out = maxpoolOutput(shape);
      const gradY = Float32Array.from({ length: shape.channels * out.height * out.width }, () => draw.integer(-9, 9));
      const pooled = async (batch: Float32Array, samples: number) => (await forward(op, [samples, shape], batch)).y;
      const differences = await batchedDifferences(pooled, x, gradY, 0.25);
      assertClose(await gradInput(op, each, x, gradY), differences, EXACT);
    });
  }

  opTest('refuses a window whose winner does not fit a code', async () => {
    const [samples, shape] = pool(1, [1, 12, 12], [12, 1]);
    await assertRejects(async () => maxpoolCodeWords(shape), OptionError, /12.*at most 11/);
    await assertRejects(
      async () => maxpool(shape, samples, { x: {} as never, y: {} as never }),
      OptionError,
      /12.*at most 11/,
    );
  });
});
