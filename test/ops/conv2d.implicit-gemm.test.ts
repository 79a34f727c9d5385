import { describe, it } from 'vitest';
import {
  chooseImplicitGemmTile,
  IMPLICIT_GEMM_TILE_NAMES,
  type ImplicitGemmTile,
  implicitGemmConv2d,
} from '../../src/ops/conv2d.implicit-gemm.ts';
import type { Conv2dOutput } from '../../src/ops/conv2d.output.ts';
import { type Conv2dInput, conv2d, packedLength, transposedShape, transposeWeights } from '../../src/ops/conv2d.ts';
import { maxpoolCodeWords } from '../../src/ops/maxpool.ts';
import { reluMaskWords } from '../../src/ops/relu.ts';
import { thorough } from '../harness/adapter.ts';
import { assert, assertAdjoint, assertClose, assertEqual, assertSameBits } from '../harness/assertions.ts';
import { type Conv2dCase, conv2dData, layerCase, packHalves, packWeights } from '../harness/conv2d.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/conv2d.ts';
import { tensor } from '../reference/tensor.ts';

/** Channels around the blocks of 4 and 8 that are summed and the tiles' 16, 32 and 64; maps around their lines. */
const CASES: Conv2dCase[] = [
  layerCase(1, 1, 1, 1, 1),
  layerCase(2, 3, 70, 5, 7),
  layerCase(3, 9, 33, 14, 14),
  layerCase(2, 21, 17, 13, 18),
  ...(thorough
    ? [
        // Every line is a strip of its own, or nearly so.
        layerCase(5, 2, 8, 1, 37),
        layerCase(7, 4, 9, 2, 16),
        layerCase(9, 5, 65, 3, 3),
        layerCase(4, 8, 64, 7, 7),
        layerCase(1, 16, 24, 28, 28),
        layerCase(2, 7, 12, 31, 1),
        layerCase(1, 12, 16, 9, 66),
        layerCase(1, 3, 8, 34, 33),
      ]
    : []),
];

/** Tiles whose text differs: 32 or 16 quads, two or one for each invocation. The others differ in a number. */
const FORMS: ImplicitGemmTile[] = ['64x128-wide', '32x64'];
const TILES = thorough ? IMPLICIT_GEMM_TILE_NAMES : FORMS;

function title([samples, { inChannels, outChannels, height, width }]: Conv2dCase): string {
  return `${samples} × [${inChannels} → ${outChannels}, ${height} × ${width}]`;
}

/** The kernel that holds a tile of cells in registers and knows no workgroup memory. */
const WITHOUT_SUBGROUPS = { subgroupSize: 0, isSoftware: true };

describe('conv2d.implicit-gemm', () => {
  for (const each of CASES) {
    opTest(`computes the convolution and its input gradient: ${title(each)}`, async (op) => {
      const [samples, shape] = each;
      const { inChannels, outChannels, height, width } = shape;
      const data = conv2dData(...each);
      const back = transposedShape(shape);
      const weights = op.input(packWeights(shape, data.weights));
      const transposed = op.output(packedLength(back));
      const [y, gradX] = [op.output(data.gradY.length), op.output(data.x.length)];
      const forward = { x: op.input(data.x), weights, y };
      const backward = { x: op.input(data.gradY), weights: transposed, y: gradX };
      await op.run(
        implicitGemmConv2d(shape, samples, chooseImplicitGemmTile(shape, samples), forward),
        transposeWeights(shape, { weights, transposed }),
        implicitGemmConv2d(back, samples, chooseImplicitGemmTile(back, samples), backward),
      );
      const [linear, gradient] = [await op.floats(y), await op.floats(gradX)];

      const kernels = tensor([outChannels, inChannels, 3, 3], data.weights);
      const noBias = tensor([outChannels], new Float32Array(outChannels));
      const input = tensor([samples, inChannels, height, width], data.x);
      const expected = reference.conv2d(input, kernels, noBias, shape);
      assertClose(linear, expected.data, { what: 'y', shape: expected.shape, terms: inChannels * 9 });
      const gradY = tensor([samples, outChannels, height, width], data.gradY);
      const expectedGrad = reference.conv2dGradInput(gradY, kernels, shape, [height, width]);
      const terms = outChannels * 9;
      assertClose(gradient, expectedGrad.data, { what: 'grad x', shape: expectedGrad.shape, terms });
      const adjoint = { x: data.x, y: data.gradY, Ax: linear, Aty: gradient };
      assertAdjoint(adjoint, { terms: Math.max(inChannels, outChannels) * 9 });
    });
  }

  for (const tile of TILES) {
    opTest(`gives the bits of the other kernels, tile ${tile}`, async (op) => {
      for (const each of CASES) {
        const data = conv2dData(...each);
        await compareOutputs(op, each, tile, {
          x: op.input(data.x),
          weights: op.input(packWeights(each[1], data.weights)),
          bias: op.input(data.bias),
        });
      }
    });
  }

  opTest('widens weights in float16 exactly', async (op) => {
    const each = layerCase(2, 9, 33, 5, 7);
    const data = conv2dData(...each);
    const { halves, rounded } = packHalves(each[1], data.weights);
    const [x, bias] = [op.input(data.x), op.input(data.bias)];
    for (const tile of FORMS) {
      const [y, expected] = [op.output(data.gradY.length), op.output(data.gradY.length)];
      const weights = { ...op.input(halves), dtype: 'float16' } as const;
      await op.run(
        implicitGemmConv2d(each[1], each[0], tile, { x, weights, bias, y }),
        implicitGemmConv2d(each[1], each[0], tile, { x, weights: op.input(rounded), bias, y: expected }),
      );
      assertSameBits(await op.floats(y), await op.floats(expected), { what: tile });
    }
  });

  for (const tile of FORMS) {
    for (const each of [layerCase(2, 3, 70, 5, 7), layerCase(3, 9, 33, 14, 14), layerCase(1, 1, 1, 1, 1)]) {
      const [samples, shape] = each;
      const maskWords = samples * reluMaskWords({ ...shape, channels: shape.outChannels });

      opTest(`finishes its outputs as the other kernels do, tile ${tile}: ${title(each)}`, async (op) => {
        const data = conv2dData(...each);
        const input = { x: op.input(data.x), weights: op.input(packWeights(shape, data.weights)) };
        const bias = op.input(data.bias);
        await compareOutputs(op, each, tile, { ...input, bias, relu: true }, { mask: maskWords });
        if (shape.height > 1) await compareOutputs(op, each, tile, { ...input, bias, relu: true, pool: true });
        const draw = random(3);
        const gate = Uint32Array.from({ length: maskWords }, () => draw.integer(0, 2 ** 32 - 1));
        await compareOutputs(op, each, tile, { ...input, gate: op.input(gate) });
      });
    }
  }

  const batch = layerCase(5, 9, 17, 7, 5);
  for (const tile of TILES) {
    opTest(`gives the same bits for a sample alone, in a part and in the whole batch, tile ${tile}`, async (op) => {
      const [samples, shape] = batch;
      const data = conv2dData(...batch);
      const weights = op.input(packWeights(shape, data.weights));
      const rows = (values: Float32Array, first: number, count: number) => {
        const length = values.length / samples;
        return values.subarray(first * length, (first + count) * length);
      };
      const run = async (first: number, count: number) => {
        const x = op.input(rows(data.x, first, count));
        const y = op.output((count * data.gradY.length) / samples);
        await op.run(implicitGemmConv2d(shape, count, tile, { x, weights, y, bias: op.input(data.bias) }));
        return op.floats(y);
      };
      const whole = await run(0, samples);
      for (const [first, count] of [
        [0, 3],
        [3, 2],
        [4, 1],
      ] as const) {
        assertSameBits(await run(first, count), rows(whole, first, count), { what: `${count} from ${first}` });
      }
    });
  }

  it('finds room for the patch of every workgroup, and takes every quad once', () => {
    for (const tile of TILES) {
      for (const height of [1, 2, 3, 4, 5, 6, 7, 9, 13, 14, 16, 25, 28, 31, 56]) {
        for (let width = 1; width <= 70; width++) checkPatches(tile, layerCase(3, 1, 1, height, width));
      }
    }
  });

  it('has lines that divide the widths of VGG, so that no quad is idle but in the last workgroup', () => {
    for (const tile of TILES) {
      for (const side of [224, 112, 56, 28, 14]) {
        const [samples, shape] = layerCase(1, 64, 64, side, side);
        const { uniforms } = implicitGemmConv2d(shape, samples, tile, NO_BUFFERS);
        assertEqual((side / 2) % uniforms.line_quads!, 0, `idle quads at the end of ${side} cells, tile ${tile}`);
      }
    }
  });

  it('takes smaller tiles for layers of fewer channels and cells', () => {
    const tileOf = (samples: number, outChannels: number, side: number) =>
      chooseImplicitGemmTile(layerCase(samples, 64, outChannels, side, side)[1], samples);
    assertEqual(tileOf(26, 512, 28), '64x128-wide');
    assertEqual(tileOf(1, 64, 224), '64x64');
    assertEqual(tileOf(1, 512, 14), '32x64');
    assertEqual(tileOf(26, 32, 112), '32x128');
    assertEqual(tileOf(26, 8, 224), '16x128');
  });
});

/** Compares all that one pass writes, bit by bit, with what the register tile writes. */
async function compareOutputs(
  op: OpBench,
  [samples, shape]: Conv2dCase,
  tile: ImplicitGemmTile,
  buffers: Conv2dInput & Omit<Conv2dOutput, 'y' | 'mask' | 'codes'>,
  { mask: maskWords }: { mask?: number } = {},
): Promise<void> {
  const { outChannels: channels, height, width } = shape;
  const planes = samples * channels;
  const codeWords = samples * maxpoolCodeWords({ channels, height, width, kernel: 2, stride: 2 });
  const outputs = () => ({
    y: op.output(buffers.pool ? planes * Math.floor(height / 2) * Math.floor(width / 2) : planes * height * width),
    mask: maskWords === undefined ? undefined : op.output(maskWords),
    codes: buffers.pool ? op.output(codeWords) : undefined,
  });
  const [expected, actual] = [outputs(), outputs()];
  const bias = buffers.bias ?? op.input(new Float32Array(channels));
  await op.run(
    conv2d(WITHOUT_SUBGROUPS, shape, samples, { ...buffers, bias, ...expected }),
    implicitGemmConv2d(shape, samples, tile, { ...buffers, bias, ...actual }),
  );
  assertSameBits(await op.floats(actual.y), await op.floats(expected.y), { what: `y of ${title([samples, shape])}` });
  for (const bits of ['mask', 'codes'] as const) {
    if (!actual[bits] || !expected[bits]) continue;
    assertClose(await op.words(actual[bits]), await op.words(expected[bits]), { what: bits, tolerance: 0 });
  }
}

const NO_BUFFERS = {
  x: { buffer: {} as GPUBuffer },
  weights: { buffer: {} as GPUBuffer },
  y: { buffer: {} as GPUBuffer },
};

/** Walks through the quads as the shader numbers them, and notes which pairs of rows each workgroup needs. */
function checkPatches(tile: ImplicitGemmTile, [samples, shape]: Conv2dCase): void {
  const dispatch = implicitGemmConv2d(shape, samples, tile, NO_BUFFERS);
  const quads = dispatch.kernel.flags.QUADS_16 ? 16 : 32;
  const line = dispatch.uniforms.line_quads!;
  const what = `${shape.height} × ${shape.width}, tile ${tile}, lines of ${line}`;
  const rows = Math.ceil(shape.height / 2);
  const strips = samples * Math.ceil(Math.ceil(shape.width / 2) / line);
  const pairs = new Map<number, Set<string>>();
  let quad = 0;
  for (let strip = 0; strip < strips; strip++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < line; column++, quad++) {
        const group = Math.floor(quad / quads);
        if (!pairs.has(group)) pairs.set(group, new Set());
        pairs
          .get(group)!
          .add(`${strip}:${row}`)
          .add(`${strip}:${row + 1}`);
      }
    }
  }
  assertEqual(dispatch.workgroups, pairs.size, `workgroups for ${what}`);
  for (const needed of pairs.values()) {
    assert(needed.size * (line + 1) <= 3 * quads, `${needed.size} pairs of rows do not fit: ${what}`);
  }
}
