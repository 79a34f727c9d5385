import { describe } from 'vitest';
import { LimitError } from '../../src/errors.ts';
import {
  type DenseShape,
  type DenseWeights,
  dense,
  denseGradInput,
  denseScratch,
  matrixSlices,
  rowStride,
} from '../../src/ops/dense.ts';
import { thorough } from '../harness/adapter.ts';
import {
  assert,
  assertAdjoint,
  assertClose,
  assertEqual,
  assertRejects,
  assertSameBits,
} from '../harness/assertions.ts';
import { batchedDifferences } from '../harness/finite-differences.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/dense.ts';
import { tensor } from '../reference/tensor.ts';

const ORDERS = ['inputs', 'outputs'] as const;

/** Rows are summed in chunks of 512; an invocation computes 4 columns of up to 8 samples, or 2 rows of up to 4. */
const CASES: [samples: number, inputs: number, outputs: number][] = [
  [1, 1, 1],
  [2, 5, 3],
  [3, 64, 129],
  [5, 513, 10],
  [9, 130, 67],
  ...(thorough
    ? ([
        [1, 7, 4],
        [1, 511, 127],
        [4, 512, 6],
        [6, 1025, 131],
        [7, 31, 128],
        [8, 17, 513],
        [1, 1200, 1100],
        [2, 257, 1026],
      ] as const)
    : []),
].map(([samples, inputs, outputs]) => [samples!, inputs!, outputs!]);

function makeData(samples: number, { inputs, outputs }: DenseShape) {
  const draw = random(inputs + 7919 * outputs);
  return {
    x: draw.normals(samples * inputs),
    /** [inputs, outputs], the oracle's order. */
    weights: draw.normals(inputs * outputs),
    bias: draw.normals(outputs),
    gradY: draw.normals(samples * outputs),
  };
}
type Data = ReturnType<typeof makeData>;

/** The stored matrix in slices of at most `maxBytes`, its rows padded with zeros. */
function slices(op: OpBench, shape: DenseShape, weights: Float32Array, maxBytes: number): DenseWeights {
  const stride = rowStride(shape);
  const stored = new Float32Array((shape.rows === 'inputs' ? shape.inputs : shape.outputs) * stride);
  weights.forEach((weight, index) => {
    const [i, o] = [Math.floor(index / shape.outputs), index % shape.outputs];
    stored[shape.rows === 'inputs' ? i * stride + o : o * stride + i] = weight;
  });
  return {
    slices: matrixSlices(shape, maxBytes).map((slice) => ({
      ...slice,
      weights: op.input(stored.subarray(slice.firstRow * stride, (slice.firstRow + slice.rows) * stride)),
    })),
  };
}

function scratch(op: OpBench, samples: number, shape: DenseShape, direction: 'forward' | 'grad-input') {
  const floats = denseScratch(shape, direction);
  return floats > 0 ? op.output(samples * floats) : undefined;
}

interface Variant {
  readonly relu?: boolean;
  /** Activation whose ReLU the gradient is brought in front of. */
  readonly gate?: Float32Array;
  /** Of one slice; default: the whole matrix in one. */
  readonly maxBytes?: number;
}

async function forward(
  op: OpBench,
  samples: number,
  shape: DenseShape,
  { x, weights, bias }: Pick<Data, 'x' | 'weights' | 'bias'>,
  { relu, maxBytes = Infinity }: Variant = {},
): Promise<Float32Array> {
  const y = op.output(samples * shape.outputs);
  const buffers = { x: op.input(x), bias: op.input(bias), y, relu, scratch: scratch(op, samples, shape, 'forward') };
  await op.run(dense(shape, samples, { ...buffers, ...slices(op, shape, weights, maxBytes) }));
  return op.floats(y);
}

async function gradInput(
  op: OpBench,
  samples: number,
  shape: DenseShape,
  { weights, gradY }: Pick<Data, 'weights' | 'gradY'>,
  { gate, maxBytes = Infinity }: Variant = {},
): Promise<Float32Array> {
  const gradX = op.output(samples * shape.inputs);
  const buffers = {
    gradY: op.input(gradY),
    gradX,
    gate: gate && op.input(gate),
    scratch: scratch(op, samples, shape, 'grad-input'),
  };
  await op.run(denseGradInput(shape, samples, { ...buffers, ...slices(op, shape, weights, maxBytes) }));
  return op.floats(gradX);
}

describe('dense', () => {
  for (const rows of ORDERS) {
    opTest(`lets overflow be seen behind a ReLU, a row for each of the ${rows}`, async (op) => {
      const shape = { inputs: 4, outputs: 3, rows };
      // Sums of -∞, NaN (∞ - ∞) and a number below zero, by columns.
      const x = Float32Array.of(3e38, 3e38, 1, 0);
      const weights = Float32Array.of(-3, 3, -1e-38, -3, -3, 0, 0, 0, 0, 0, 0, 0);
      const y = await forward(op, 1, shape, { x, weights, bias: new Float32Array(3) }, { relu: true });
      assertSameBits(y, Float32Array.of(Infinity, Infinity, 0));
    });
  }

  for (const rows of ORDERS) {
    for (const [samples, inputs, outputs] of CASES) {
      opTest(`${samples} × [${inputs} → ${outputs}], a row for each of the ${rows}`, async (op) => {
        const shape = { inputs, outputs, rows };
        const data = makeData(samples, shape);
        const oracle = {
          x: tensor([samples, inputs], data.x),
          weights: tensor([inputs, outputs], data.weights),
          bias: tensor([outputs], data.bias),
          gradY: tensor([samples, outputs], data.gradY),
        };

        const y = await forward(op, samples, shape, data);
        const expected = reference.dense(oracle.x, oracle.weights, oracle.bias);
        assertClose(y, expected.data, { what: 'y', shape: expected.shape, terms: inputs + 1 });
        const rectified = await forward(op, samples, shape, data, { relu: true });
        const clipped = y.map((value) => Math.max(0, value));
        assertClose(rectified, clipped, { what: 'y through ReLU', tolerance: 0 });

        const gradX = await gradInput(op, samples, shape, data);
        const expectedGrad = reference.denseGradInput(oracle.gradY, oracle.weights);
        assertClose(gradX, expectedGrad.data, { what: 'grad x', shape: expectedGrad.shape, terms: outputs });
        const activation = data.x.map((value, i) => (i % 5 === 0 ? 0 : value));
        const gated = await gradInput(op, samples, shape, data, { gate: activation });
        const open = gradX.map((grad, i) => (activation[i]! > 0 ? grad : 0));
        assertSameBits(gated, open, { what: 'grad x in front of the ReLU', shape: expectedGrad.shape });
        const Ax = await forward(op, samples, shape, { ...data, bias: new Float32Array(outputs) });
        assertAdjoint({ x: data.x, y: data.gradY, Ax, Aty: gradX }, { terms: Math.max(inputs, outputs) });
      });
    }

    opTest(`gives the same bits in one slice and in several, a row for each of the ${rows}`, async (op) => {
      for (const samples of [1, 5]) {
        const shape = { inputs: 1300, outputs: 1027, rows };
        const data = makeData(samples, shape);
        const chunkBytes = 512 * rowStride(shape) * 4;
        const y = await forward(op, samples, shape, data, { relu: true });
        const gradX = await gradInput(op, samples, shape, data);
        for (const maxBytes of [chunkBytes, Math.floor(1.7 * chunkBytes), 2 * chunkBytes]) {
          const cut = await forward(op, samples, shape, data, { relu: true, maxBytes });
          assertSameBits(cut, y, { what: `y in slices of ${maxBytes} bytes` });
          const cutGrad = await gradInput(op, samples, shape, data, { maxBytes });
          assertSameBits(cutGrad, gradX, { what: `grad x in slices of ${maxBytes} bytes` });
        }
      }
    });

    opTest(`gives the same bits for a sample alone and in a batch, a row for each of the ${rows}`, async (op) => {
      const samples = 9;
      const shape = { inputs: 600, outputs: 37, rows };
      const data = makeData(samples, shape);
      const y = await forward(op, samples, shape, data);
      const gradX = await gradInput(op, samples, shape, data);
      const rowsOf = (values: Float32Array, first: number, count: number) =>
        values.subarray((first * values.length) / samples, ((first + count) * values.length) / samples);
      for (const [first, count] of [
        [0, 1],
        [1, 2],
        [3, 5],
        [8, 1],
      ] as const) {
        const part = { ...data, x: rowsOf(data.x, first, count), gradY: rowsOf(data.gradY, first, count) };
        assertSameBits(await forward(op, count, shape, part), rowsOf(y, first, count), { what: `y of ${count}` });
        const gradPart = await gradInput(op, count, shape, part);
        assertSameBits(gradPart, rowsOf(gradX, first, count), { what: `grad x of ${count}` });
      }
    });

    opTest(`has the gradient of finite differences, a row for each of the ${rows}`, async (op) => {
      const shape = { inputs: 13, outputs: 6, rows };
      const draw = random(2);
      const whole = (count: number) => Float32Array.from({ length: count }, () => draw.integer(-3, 3));
      const data = { x: whole(13), weights: whole(13 * 6), bias: whole(6), gradY: whole(6) };
      const product = (batch: Float32Array, samples: number) => forward(op, samples, shape, { ...data, x: batch });
      const differences = await batchedDifferences(product, data.x, data.gradY, 0.25);
      assertClose(await gradInput(op, 1, shape, data), differences, { tolerance: 0 });
    });
  }

  opTest('cuts a matrix into whole chunks of rows, as few slices as the limit allows', async () => {
    const shape = { inputs: 25_088, outputs: 4096, rows: 'inputs' } as const;
    const rowBytes = 4096 * 4;
    for (const maxBytes of [rowBytes * 512, 128 * 2 ** 20, 256 * 2 ** 20, 2 ** 30]) {
      const cut = matrixSlices(shape, maxBytes);
      let next = 0;
      for (const { firstRow, rows } of cut) {
        assertEqual(firstRow, next, 'first row');
        assert(rows * rowBytes <= maxBytes, `a slice of ${rows} rows is larger than ${maxBytes} bytes`);
        next += rows;
      }
      assertEqual(next, shape.inputs, 'rows in all slices');
      const rowsPerSlice = Math.floor(maxBytes / (512 * rowBytes)) * 512;
      assertEqual(cut.length, Math.ceil(shape.inputs / rowsPerSlice), `slices of up to ${maxBytes} bytes`);
    }
    const tooSmall = async () => matrixSlices(shape, rowBytes * 512 - 1);
    await assertRejects(tooSmall, LimitError, /maxStorageBufferBindingSize/);
  });

  opTest('says so when the scratch tensor is missing', async (op) => {
    const shape = { inputs: 2, outputs: 2, rows: 'inputs' } as const;
    const operand = op.input(Float32Array.of(1, 2, 3, 4));
    const buffers = { x: operand, y: operand, bias: operand, slices: [{ firstRow: 0, rows: 2, weights: operand }] };
    await assertRejects(async () => dense(shape, 1, buffers), Error, /scratch/);
  });
});
