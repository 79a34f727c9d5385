import { describe } from 'vitest';
import { LimitError } from '../../src/errors.ts';
import type { KernelTraits } from '../../src/gpu/gpu.ts';
import {
  type DenseMatrix,
  type DenseShape,
  dense,
  denseGradInput,
  denseScratch,
  type MatrixStorage,
  matrixSlices,
  packedBytes,
  packRows,
  rowStride,
  type StoredElements,
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

const STORAGES: readonly MatrixStorage[] = [
  { dtype: 'float32' },
  { dtype: 'float16' },
  { dtype: 'uint8', scale: 0.0123, min: -1.51 },
];

/**
 * Up to 512 inputs make a partial sum, 64 at least. An invocation computes 4 outputs of 1, 2, 4, 8, 12, … 24 samples, fewer on
 * some adapters; a workgroup 256 outputs, or twice as many.
 */
const SIZES: [samples: number, inputs: number, outputs: number][] = [
  [1, 1, 1],
  [2, 5, 3],
  [3, 66, 9],
  [9, 130, 67],
];
/** Of several tiles, each in one number format. */
const LARGE_SIZES: typeof SIZES = [
  [33, 65, 10],
  [16, 68, 520],
];
const MORE_SIZES: typeof SIZES = [
  [1, 7, 4],
  [1, 511, 127],
  [2, 257, 1026],
  [4, 512, 6],
  [5, 513, 10],
  [6, 1025, 131],
  [7, 31, 128],
  [8, 17, 513],
  [11, 64, 9],
  [13, 20, 7],
  [19, 8, 8],
  [24, 36, 12],
  [25, 12, 33],
];
const CASES = [
  ...SIZES.flatMap((size) => STORAGES.map((storage) => ({ size, storage }))),
  ...LARGE_SIZES.map((size, i) => ({ size, storage: STORAGES[i % 3]! })),
  ...(thorough ? MORE_SIZES.map((size, i) => ({ size, storage: STORAGES[i % 3]! })) : []),
];

/** The value of a stored element, by the definition of its format. */
function elementValue(storage: MatrixStorage, element: number): number {
  if (storage.dtype === 'uint8') {
    const { scale, min } = storage;
    return Math.fround(Math.fround(element * Math.fround(scale)) + Math.fround(min));
  }
  if (storage.dtype === 'float32') return element;
  const sign = element & 0x8000 ? -1 : 1;
  const exponent = (element >> 10) & 31;
  const fraction = (element & 1023) / 1024;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}

/** A matrix [inputs, outputs], as stored and as the numbers that it stands for. */
interface Weights {
  readonly storage: MatrixStorage;
  readonly stored: StoredElements;
  readonly values: Float32Array;
}

function weightsOf(storage: MatrixStorage, stored: StoredElements): Weights {
  return { storage, stored, values: Float32Array.from(stored, (element) => elementValue(storage, element)) };
}

function randomElements(storage: MatrixStorage, count: number, draw: ReturnType<typeof random>): StoredElements {
  if (storage.dtype === 'float32') return Float32Array.from(draw.normals(count));
  if (storage.dtype === 'uint8') return Uint8Array.from({ length: count }, () => draw.integer(0, 255));
  // Of either sign, from the subnormal numbers up to those below 4.
  return Uint16Array.from({ length: count }, () => draw.integer(0, 1) * 0x8000 + draw.integer(0, 0x43ff));
}

function makeData(samples: number, { inputs, outputs }: DenseShape, storage: MatrixStorage = { dtype: 'float32' }) {
  const draw = random(inputs + 7919 * outputs);
  return {
    x: draw.normals(samples * inputs),
    weights: weightsOf(storage, randomElements(storage, inputs * outputs, draw)),
    bias: draw.normals(outputs),
    gradY: draw.normals(samples * outputs),
  };
}
type Data = ReturnType<typeof makeData>;

/** The matrix in slices of at most `maxBytes`. What fills up its rows must not matter. */
function matrix(op: OpBench, shape: DenseShape, { storage, stored }: Weights, maxBytes: number): DenseMatrix {
  const stride = rowStride(shape);
  const rows = shape.rows === 'inputs' ? shape.inputs : shape.outputs;
  const inRows = new (stored.constructor as new (length: number) => StoredElements)(rows * stride).fill(3);
  stored.forEach((element, index) => {
    const [i, o] = [Math.floor(index / shape.outputs), index % shape.outputs];
    inRows[shape.rows === 'inputs' ? i * stride + o : o * stride + i] = element;
  });
  const slices = matrixSlices(shape, storage.dtype, maxBytes).map((slice) => {
    const packed = packRows(
      shape,
      inRows.subarray(slice.firstRow * stride, (slice.firstRow + slice.rows) * stride) as StoredElements,
    );
    assertEqual(packed.byteLength, packedBytes(shape, storage.dtype, slice.rows), 'packed bytes');
    return { ...slice, weights: op.input(packed) };
  });
  return { storage, slices };
}

interface Variant {
  readonly traits?: KernelTraits;
  readonly relu?: boolean;
  /** Activation whose ReLU the gradient is brought in front of. */
  readonly gate?: Float32Array;
  readonly positive?: boolean;
  /** Of one slice; default: the whole matrix in one. */
  readonly maxBytes?: number;
}

async function forward(
  op: OpBench,
  samples: number,
  shape: DenseShape,
  { x, weights, bias }: Pick<Data, 'x' | 'weights' | 'bias'>,
  { traits = op.gpu.traits, relu, maxBytes = Infinity }: Variant = {},
): Promise<Float32Array> {
  const y = op.output(samples * shape.outputs);
  const buffers = {
    x: op.input(x),
    bias: op.input(bias),
    y,
    relu,
    matrix: matrix(op, shape, weights, maxBytes),
    scratch: op.output(samples * denseScratch(shape, 'forward')),
  };
  await op.run(dense(traits, shape, samples, buffers));
  return op.floats(y);
}

async function gradInput(
  op: OpBench,
  samples: number,
  shape: DenseShape,
  { weights, gradY }: Pick<Data, 'weights' | 'gradY'>,
  { traits = op.gpu.traits, gate, positive, maxBytes = Infinity }: Variant = {},
): Promise<Float32Array> {
  const gradX = op.output(samples * shape.inputs);
  const buffers = {
    gradY: op.input(gradY),
    gradX,
    gate: gate && op.input(gate),
    positive,
    matrix: matrix(op, shape, weights, maxBytes),
    scratch: op.output(samples * denseScratch(shape, 'grad-input')),
  };
  await op.run(denseGradInput(traits, shape, samples, buffers));
  return op.floats(gradX);
}

describe('dense', () => {
  for (const rows of ORDERS) {
    opTest(`lets overflow be seen behind a ReLU, a row for each of the ${rows}`, async (op) => {
      // Inputs 0 and 64 are in different partial sums, so that ∞ meets -∞.
      const shape = { inputs: 68, outputs: 3, rows };
      const x = new Float32Array(68);
      x.set([3e38], 0);
      x.set([3e38], 64);
      // Sums of -∞, NaN (∞ - ∞) and a number below zero, by columns.
      const columns = new Float32Array(68 * 3);
      columns.set([-3, 3, -1e-38], 0);
      columns.set([-3, -3, 0], 64 * 3);
      const weights = weightsOf({ dtype: 'float32' }, columns);
      const y = await forward(op, 1, shape, { x, weights, bias: new Float32Array(3) }, { relu: true });
      assertSameBits(y, Float32Array.of(Infinity, Infinity, 0));
    });
  }

  for (const rows of ORDERS) {
    for (const { size, storage } of CASES) {
      const [samples, inputs, outputs] = size;
      opTest(`${samples} × [${inputs} → ${outputs}] in ${storage.dtype}, a row for each of the ${rows}`, async (op) => {
        const shape = { inputs, outputs, rows };
        const data = makeData(samples, shape, storage);
        const oracle = {
          x: tensor([samples, inputs], data.x),
          weights: tensor([inputs, outputs], data.weights.values),
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
        for (const gate of [undefined, activation]) {
          const positive = await gradInput(op, samples, shape, data, { gate, positive: true });
          const expectedPositive = (gate ? open : gradX).map((grad) => Math.max(0, grad));
          assertClose(positive, expectedPositive, { what: `positive grad x, ${gate ? '' : 'un'}gated`, tolerance: 0 });
        }
        const Ax = await forward(op, samples, shape, { ...data, bias: new Float32Array(outputs) });
        assertAdjoint({ x: data.x, y: data.gradY, Ax, Aty: gradX }, { terms: Math.max(inputs, outputs) });
      });
    }

    opTest(`gives the same bits in one slice and in several, a row for each of the ${rows}`, async (op) => {
      for (const samples of [1, 5]) {
        const shape = { inputs: 290, outputs: 267, rows };
        const data = makeData(samples, shape);
        const chunkBytes = 64 * rowStride(shape) * 4;
        const y = await forward(op, samples, shape, data, { relu: true });
        const gradX = await gradInput(op, samples, shape, data);
        for (const maxBytes of [chunkBytes, Math.floor(1.7 * chunkBytes), 5 * chunkBytes]) {
          const cut = await forward(op, samples, shape, data, { relu: true, maxBytes });
          assertSameBits(cut, y, { what: `y in slices of ${maxBytes} bytes` });
          const cutGrad = await gradInput(op, samples, shape, data, { maxBytes });
          assertSameBits(cutGrad, gradX, { what: `grad x in slices of ${maxBytes} bytes` });
        }
      }
    });

    opTest(`gives the same bits for a sample alone and in a batch, a row for each of the ${rows}`, async (op) => {
      const samples = 21;
      const shape = { inputs: 600, outputs: 36, rows };
      const data = makeData(samples, shape);
      const y = await forward(op, samples, shape, data);
      const gradX = await gradInput(op, samples, shape, data);
      const rowsOf = (values: Float32Array, first: number, count: number) =>
        values.subarray((first * values.length) / samples, ((first + count) * values.length) / samples);
      for (const [first, count] of [
        [0, 1],
        [1, 2],
        [2, 4],
        [3, 5],
        [8, 10],
        [20, 1],
      ] as const) {
        const part = { ...data, x: rowsOf(data.x, first, count), gradY: rowsOf(data.gradY, first, count) };
        assertSameBits(await forward(op, count, shape, part), rowsOf(y, first, count), { what: `y of ${count}` });
        const gradPart = await gradInput(op, count, shape, part);
        assertSameBits(gradPart, rowsOf(gradX, first, count), { what: `grad x of ${count}` });
      }
    });

    for (const storage of STORAGES.slice(1)) {
      opTest(
        `multiplies by ${storage.dtype} as by the float32 of the same value, a row for each of the ${rows}`,
        async (op) => {
          for (const samples of [1, 8]) {
            const shape = { inputs: 131, outputs: 70, rows };
            const data = makeData(samples, shape, storage);
            const decoded = {
              ...data,
              weights: weightsOf({ dtype: 'float32' }, Float32Array.from(data.weights.values)),
            };
            assertSameBits(await forward(op, samples, shape, data), await forward(op, samples, shape, decoded));
            assertSameBits(await gradInput(op, samples, shape, data), await gradInput(op, samples, shape, decoded));
          }
        },
      );
    }

    opTest(`gives the same bits with every tile of outputs and samples, a row for each of the ${rows}`, async (op) => {
      const others = [
        { subgroupSize: 0, isSoftware: true },
        { subgroupSize: 0, isSoftware: false },
        { ...op.gpu.traits, isSoftware: false },
      ];
      for (const [samples, inputs] of [
        [1, 203],
        [11, 204],
      ] as const) {
        const shape = { inputs, outputs: 72, rows };
        const data = makeData(samples, shape);
        const y = await forward(op, samples, shape, data);
        const gradX = await gradInput(op, samples, shape, data);
        for (const traits of others) {
          const what = JSON.stringify(traits);
          assertSameBits(await forward(op, samples, shape, data, { traits }), y, { what: `y with ${what}` });
          assertSameBits(await gradInput(op, samples, shape, data, { traits }), gradX, { what: `grad x with ${what}` });
        }
      }
    });

    opTest(`has the gradient of finite differences, a row for each of the ${rows}`, async (op) => {
      const shape = { inputs: 13, outputs: 6, rows };
      const draw = random(2);
      const whole = (count: number) => Float32Array.from({ length: count }, () => draw.integer(-3, 3));
      const weights = weightsOf({ dtype: 'float32' }, whole(13 * 6));
      const data = { x: whole(13), weights, bias: whole(6), gradY: whole(6) };
      const product = (batch: Float32Array, samples: number) => forward(op, samples, shape, { ...data, x: batch });
      const differences = await batchedDifferences(product, data.x, data.gradY, 0.25);
      assertClose(await gradInput(op, 1, shape, data), differences, { tolerance: 0 });
    });
  }

  opTest('gives every stored element its exact value', async (op) => {
    const halves = Uint16Array.from({ length: 62 * 1024 }, (_, i) => (i < 31 * 1024 ? i : i + 1024));
    const bytes = Uint8Array.from({ length: 256 }, (_, q) => q);
    for (const { storage, stored, values } of [
      weightsOf({ dtype: 'float16' }, halves),
      // Of the Keras VGG-19's first kernel: products and sums rounded at once give other values.
      weightsOf({ dtype: 'uint8', scale: 0.004713413060880175, min: -0.6504510024014641 }, bytes),
      weightsOf({ dtype: 'uint8', scale: 0.1, min: -12.7 }, bytes),
      weightsOf({ dtype: 'uint8', scale: 1e-3, min: 1e-5 }, bytes),
    ]) {
      const inputs = Math.ceil(stored.length / 2048);
      const shape = { inputs, outputs: stored.length / inputs, rows: 'inputs' } as const;
      const unit = new Float32Array(inputs ** 2);
      for (let i = 0; i < inputs; i++) unit[i * inputs + i] = 1;
      const data = { x: unit, weights: { storage, stored, values }, bias: new Float32Array(shape.outputs) };
      // 0 + -0 is 0.
      assertSameBits(
        await forward(op, inputs, shape, data),
        values.map((value) => value + 0),
        { what: storage.dtype },
      );
    }
  });

  opTest('cuts a matrix into whole chunks of rows, as few slices as the limit allows', async () => {
    const shape = { inputs: 25_088, outputs: 4096, rows: 'inputs' } as const;
    const rowBytes = 4096 * 4;
    for (const maxBytes of [rowBytes * 512, 128 * 2 ** 20, 256 * 2 ** 20, 2 ** 30]) {
      const cut = matrixSlices(shape, 'float32', maxBytes);
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
    assertEqual(matrixSlices(shape, 'uint8', 128 * 2 ** 20).length, 1, 'slices of 8-bit elements');
    const tooSmall = async () => matrixSlices(shape, 'float32', rowBytes * 512 - 1);
    await assertRejects(tooSmall, LimitError, /maxStorageBufferBindingSize/);
  });
});
