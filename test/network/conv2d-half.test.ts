/** Convolutions whose products are float16. The adapters of the other runtimes here have no shader-f16: Node alone runs these. */
import { describe, it } from 'vitest';
import {
  halfGemmConv2d,
  halfGemmScratchWords,
  IMPLICIT_GEMM_TILE_NAMES,
  type ImplicitGemmTile,
} from '../../src/ops/conv2d.implicit-gemm.ts';
import type { Conv2dOutput } from '../../src/ops/conv2d.output.ts';
import { type Conv2dShape, packedLength, transposedShape, transposeWeights } from '../../src/ops/conv2d.ts';
import { withErrorScopes } from '../harness/adapter.ts';
import { assert, assertClose, assertSameBits } from '../harness/assertions.ts';
import { type Conv2dCase, conv2dData, layerCase, packHalves } from '../harness/conv2d.ts';
import { forcedVariant } from '../harness/forced.ts';
import { halfGpu } from '../harness/gpu.ts';
import { OpBench, type Operand } from '../harness/op.ts';
import * as reference from '../reference/conv2d.ts';
import { tensor } from '../reference/tensor.ts';

function halfTest(name: string, work: (op: OpBench) => Promise<void>): void {
  it(name, async ({ skip }) => {
    const gpu = await halfGpu();
    if (typeof gpu === 'string') return skip(gpu);
    const op = new OpBench(gpu);
    try {
      await withErrorScopes(gpu.device, () => work(op));
      await op.checkGuards();
    } finally {
      op.dispose();
    }
  });
}

const CASES: Conv2dCase[] = [
  layerCase(1, 1, 1, 1, 1),
  layerCase(2, 3, 70, 5, 7),
  layerCase(3, 9, 33, 14, 14),
  layerCase(2, 37, 17, 13, 18),
];

/** A tile of either text; the others differ in a number, and each takes seconds to compile. All of them can be forced. */
const TILE = IMPLICIT_GEMM_TILE_NAMES.find((tile) => forcedVariant === `half-gemm-${tile}`) ?? '32x64';
const OTHER_TILE: ImplicitGemmTile = TILE === '64x128-wide' ? '32x64' : '64x128-wide';

/** The weights in float16 with their greatest magnitude. */
function halves(op: OpBench, shape: Conv2dShape, weights: Float32Array) {
  const greatest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  return { ...op.input(packHalves(shape, weights).halves), dtype: 'float16', greatest } as const;
}

interface Layer extends Omit<Conv2dOutput, 'y'> {
  readonly x: Float32Array;
  readonly weights: ReturnType<typeof halves>;
  readonly tile?: ImplicitGemmTile;
  readonly y?: Operand;
}

async function run(
  op: OpBench,
  [samples, shape]: Conv2dCase,
  { x, tile = TILE, y = op.output(samples * shape.outChannels * shape.height * shape.width), ...layer }: Layer,
): Promise<Float32Array> {
  const magnitudes = op.output(samples * halfGemmScratchWords().magnitudes);
  await op.run(halfGemmConv2d(shape, samples, tile, { ...layer, x: op.input(x), y, magnitudes }));
  await op.words(magnitudes);
  return op.floats(y);
}

describe('conv2d in float16', () => {
  for (const each of CASES) {
    const [samples, shape] = each;
    const { inChannels, outChannels, height, width } = shape;
    halfTest(`is off by no more than float16 is coarse: ${samples} × [${inChannels} → ${outChannels}]`, async (op) => {
      const { x, weights, gradY } = conv2dData(...each);
      // Of the greatest value: both factors of a product are off by 2^-11 at most, and so is each of 36 sums.
      const tolerance = 2.5e-3;
      const kernels = tensor([outChannels, inChannels, 3, 3], weights);
      const stored = halves(op, shape, weights);
      const y = await run(op, each, { x, weights: stored });
      const expected = reference.conv2d(tensor([samples, inChannels, height, width], x), kernels, undefined, shape);
      assertClose(y, expected.data, { what: 'y', shape: expected.shape, tolerance });

      const back = transposedShape(shape);
      const transposed = op.output(packedLength(back) / 2);
      await op.run(transposeWeights(shape, { weights: stored, transposed }));
      const gradX = await run(op, [samples, back], { x: gradY, weights: { ...stored, ...transposed } });
      const gradient = tensor([samples, outChannels, height, width], gradY);
      const expectedGrad = reference.conv2dGradInput(gradient, kernels, shape, [height, width]);
      assertClose(gradX, expectedGrad.data, { what: 'grad x', shape: expectedGrad.shape, tolerance });
    });
  }

  halfTest('gives the same bits with another tile, and for a sample alone', async (op) => {
    const each = layerCase(5, 9, 17, 7, 5);
    const { x, weights } = conv2dData(...each);
    const stored = halves(op, each[1], weights);
    const expected = await run(op, each, { x, weights: stored });
    assertSameBits(await run(op, each, { x, weights: stored, tile: OTHER_TILE }), expected, { what: 'y' });
    const last = { x: x.subarray((4 * x.length) / 5), weights: stored };
    assertSameBits(await run(op, [1, each[1]], last), expected.subarray((4 * expected.length) / 5));
  });

  halfTest('scales each sample exactly, however large or small it is', async (op) => {
    const each = layerCase(5, 9, 17, 7, 5);
    const [samples, shape] = each;
    const { x, weights } = conv2dData(...each);
    const scaled = (values: Float32Array, powers: readonly number[]) =>
      values.map((value, i) => value * 2 ** powers[Math.floor((i * samples) / values.length)]!);
    // Beyond float16 both ways, and near the ends of float32.
    const powers = [40, -40, 0, -110, 110];
    for (const factor of [1, 4096]) {
      const stored = halves(
        op,
        shape,
        weights.map((weight) => weight * factor),
      );
      const y = await run(op, each, { x, weights: stored });
      const found = await run(op, each, { x: scaled(x, powers), weights: stored });
      assertSameBits(found, scaled(y, powers), { what: `weights times ${factor}` });
      assert(y.every(Number.isFinite), 'large weights overflow no sum');
    }
    const zeros = new Float32Array(x.length);
    const nothing = await run(op, each, { x: zeros, weights: halves(op, shape, weights) });
    assert(
      nothing.every((value) => value === 0),
      'of zeros come zeros',
    );
  });

  halfTest('lets overflow be seen behind a ReLU', async (op) => {
    const each = layerCase(1, 3, 8, 4, 4);
    const { x, weights } = conv2dData(...each);
    for (const value of [Number.POSITIVE_INFINITY, Number.NaN]) {
      x[5] = value;
      const bias = op.input(new Float32Array(8));
      const y = await run(op, each, { x, weights: halves(op, each[1], weights), bias, relu: true });
      assert(y.includes(Number.POSITIVE_INFINITY), `nothing shows of ${value}`);
    }
  });

  halfTest('finishes its outputs: bias, ReLU and pooling', async (op) => {
    const each = layerCase(2, 5, 9, 6, 8);
    const [samples, { outChannels, height, width }] = each;
    const { x, weights, bias } = conv2dData(...each);
    const stored = halves(op, each[1], weights);
    const cells = height * width;
    const finished = (await run(op, each, { x, weights: stored })).map((sum, i) =>
      Math.max(0, sum + bias[Math.floor(i / cells) % outChannels]!),
    );
    assertSameBits(await run(op, each, { x, weights: stored, bias: op.input(bias), relu: true }), finished);

    const pooled = Float32Array.from({ length: finished.length / 4 }, (_, i) => {
      const [plane, row, column] = [Math.floor((4 * i) / cells), Math.floor(i / (width / 2)), i % (width / 2)];
      const at = plane * cells + 2 * (row % (height / 2)) * width + 2 * column;
      return Math.max(finished[at]!, finished[at + 1]!, finished[at + width]!, finished[at + width + 1]!);
    });
    const y = op.output(samples * outChannels * (cells / 4));
    const layer = { x, weights: stored, bias: op.input(bias), relu: true, pool: true, y };
    assertSameBits(await run(op, each, layer), pooled);
  });
});
