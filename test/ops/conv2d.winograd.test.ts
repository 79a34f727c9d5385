import { describe } from 'vitest';
import type { KernelTraits } from '../../src/gpu/gpu.ts';
import type { Direction } from '../../src/ops/common.ts';
import type { Conv2dShape } from '../../src/ops/conv2d.ts';
import {
  type WinogradTile,
  winogradConv2d,
  winogradConv2dGradInput,
  winogradFilterLength,
  winogradFilters,
  winogradScratch,
} from '../../src/ops/conv2d.winograd.ts';
import { maxpool, maxpoolCodeWords } from '../../src/ops/maxpool.ts';
import { reluGradInput, reluMask, reluMaskWords } from '../../src/ops/relu.ts';
import { thorough } from '../harness/adapter.ts';
import { assert, assertAdjoint, assertClose, assertSameBits, FLOAT32_EPSILON } from '../harness/assertions.ts';
import {
  type Conv2dCase,
  type Conv2dData,
  conv2dData,
  layerCase,
  packHalves,
  packWeights,
  WITHOUT_SUBGROUPS,
} from '../harness/conv2d.ts';
import { type OpBench, type Operand, opTest } from '../harness/op.ts';
import * as reference from '../reference/conv2d.ts';
import { tensor } from '../reference/tensor.ts';

const CASES: Conv2dCase[] = [
  layerCase(1, 1, 1, 1, 1),
  layerCase(2, 3, 5, 5, 7),
  layerCase(3, 8, 9, 4, 3),
  layerCase(2, 9, 8, 13, 17),
  ...(thorough
    ? [
        layerCase(1, 1, 8, 2, 5),
        layerCase(5, 64, 3, 3, 4),
        layerCase(1, 3, 64, 6, 1),
        // More than one block of sums and more than one workgroup of output channels.
        layerCase(2, 65, 37, 14, 14),
        // More tiles than a workgroup computes, at both sizes.
        layerCase(3, 5, 7, 31, 29),
      ]
    : []),
];

const TILES: readonly WinogradTile[] = [2, 4];
/** Rounding errors relative to those of a plain sum of the same products. */
const ERROR_GROWTH = { 2: 2, 4: 8 };

function title([samples, { inChannels, outChannels, height, width }]: Conv2dCase): string {
  return `${samples} × [${inChannels} → ${outChannels}, ${height} × ${width}]`;
}

interface Variant {
  readonly traits?: KernelTraits;
  /** Samples that the scratch has room for; by default all. */
  readonly room?: number;
  readonly relu?: boolean;
}

async function filtersOf(op: OpBench, shape: Conv2dShape, tile: WinogradTile, weights: Float32Array) {
  const filters = op.output(winogradFilterLength(shape, tile));
  await op.run(winogradFilters(shape, tile, { weights: op.input(packWeights(shape, weights)), filters }));
  await op.words(filters);
  return filters;
}

function scratchFor(
  op: OpBench,
  shape: Conv2dShape,
  tile: WinogradTile,
  direction: Direction,
  samples: number,
  traits = op.gpu.traits,
) {
  const { words } = winogradScratch(traits, shape, tile, direction);
  const slice = ({ buffer, offset, count }: Operand) => ({ buffer, offset, size: 4 * count });
  return {
    patches: slice(op.output(samples * words.patches)),
    products: slice(op.output(samples * words.products)),
  };
}

async function forward(
  op: OpBench,
  [samples, shape]: Conv2dCase,
  tile: WinogradTile,
  { x, weights, bias }: Pick<Conv2dData, 'x' | 'weights'> & { bias?: Float32Array },
  { traits = op.gpu.traits, room = samples, relu = false }: Variant = {},
): Promise<Float32Array> {
  const y = op.output(samples * shape.outChannels * shape.height * shape.width);
  await op.run(
    winogradConv2d(traits, shape, samples, tile, {
      x: op.input(x),
      filters: await filtersOf(op, shape, tile, weights),
      ...scratchFor(op, shape, tile, 'forward', room, traits),
      bias: bias && op.input(bias),
      relu,
      y,
    }),
  );
  return op.floats(y);
}

async function gradInput(
  op: OpBench,
  [samples, shape]: Conv2dCase,
  tile: WinogradTile,
  { gradY, weights }: Pick<Conv2dData, 'gradY' | 'weights'>,
  { traits = op.gpu.traits, room = samples }: Variant = {},
): Promise<Float32Array> {
  const gradX = op.output(samples * shape.inChannels * shape.height * shape.width);
  await op.run(
    winogradConv2dGradInput(traits, shape, samples, tile, {
      gradY: op.input(gradY),
      filters: await filtersOf(op, shape, tile, weights),
      ...scratchFor(op, shape, tile, 'grad-input', room, traits),
      gradX,
    }),
  );
  return op.floats(gradX);
}

for (const tile of TILES) {
  describe(`conv2d by Winograd, F(${tile} × ${tile}, 3 × 3)`, () => {
    const tolerance = 8 * FLOAT32_EPSILON * ERROR_GROWTH[tile];

    for (const each of CASES) {
      const [samples, shape] = each;
      const { inChannels, outChannels, height, width } = shape;
      opTest(title(each), async (op) => {
        const data = conv2dData(...each);
        const x = tensor([samples, inChannels, height, width], data.x);
        const weights = tensor([outChannels, inChannels, 3, 3], data.weights);
        const bias = tensor([outChannels], data.bias);
        const gradY = tensor([samples, outChannels, height, width], data.gradY);

        const y = await forward(op, each, tile, data);
        const expected = reference.conv2d(x, weights, bias, shape);
        assertClose(y, expected.data, { what: 'y', shape: expected.shape, terms: 9 * inChannels + 1, tolerance });
        const rectified = await forward(op, each, tile, data, { relu: true });
        const clipped = y.map((value) => Math.max(0, value));
        assertClose(rectified, clipped, { what: 'y through ReLU', shape: expected.shape, tolerance: 0 });

        const gradX = await gradInput(op, each, tile, data);
        const expectedGrad = reference.conv2dGradInput(gradY, weights, shape, [height, width]);
        const terms = 9 * outChannels;
        assertClose(gradX, expectedGrad.data, { what: 'grad x', shape: expectedGrad.shape, terms, tolerance });
        const linear = await forward(op, each, tile, { x: data.x, weights: data.weights });
        const longer = 9 * Math.max(inChannels, outChannels);
        assertAdjoint({ x: data.x, y: data.gradY, Ax: linear, Aty: gradX }, { terms: longer, tolerance });
      });

      opTest(`gives the same bits with and without subgroups: ${title(each)}`, async (op) => {
        const data = conv2dData(...each);
        const without = { traits: WITHOUT_SUBGROUPS };
        assertSameBits(await forward(op, each, tile, data), await forward(op, each, tile, data, without));
        assertSameBits(await gradInput(op, each, tile, data), await gradInput(op, each, tile, data, without));
      });
    }

    for (const each of [layerCase(2, 3, 9, 5, 7), layerCase(3, 9, 4, 6, 6)]) {
      const [samples, shape] = each;
      opTest(`finishes its outputs as the ops of their own do: ${title(each)}`, async (op) => {
        const data = conv2dData(...each);
        const { inChannels, outChannels, height, width } = shape;
        const maps = { channels: outChannels, height, width };
        const pooling = { ...maps, kernel: 2, stride: 2 };
        const input = { channels: inChannels, height, width };
        const filters = await filtersOf(op, shape, tile, data.weights);
        const layer = {
          x: op.input(data.x),
          filters,
          // A sample at a time: what is finished must know which it is.
          ...scratchFor(op, shape, tile, 'forward', 1),
          bias: op.input(data.bias),
          relu: true,
        };
        const y = op.output(samples * outChannels * height * width);
        const mask = op.output(samples * reluMaskWords(maps));
        const pooled = op.output(samples * outChannels * Math.floor(height / 2) * Math.floor(width / 2));
        const codes = op.output(samples * maxpoolCodeWords(pooling));
        const gate = op.output(samples * reluMaskWords(input));
        const backward = {
          gradY: op.input(data.gradY),
          filters,
          ...scratchFor(op, shape, tile, 'grad-input', 1),
        };
        const gradX = op.output(data.x.length);
        const { traits } = op.gpu;
        await op.run(
          winogradConv2d(traits, shape, samples, tile, { ...layer, y }),
          reluMask(maps, samples, { x: y, mask }),
          maxpool(pooling, samples, { x: y, y: pooled, codes }),
          reluMask(input, samples, { x: layer.x, mask: gate }),
          winogradConv2dGradInput(traits, shape, samples, tile, { ...backward, gradX }),
          reluGradInput(input, samples, { mask: gate, grad: gradX }),
        );

        const [fusedY, fusedMask] = [op.output(y.count), op.output(mask.count)];
        const [fusedPool, fusedCodes, gated] = [
          op.output(pooled.count),
          op.output(codes.count),
          op.output(gradX.count),
        ];
        await op.run(
          winogradConv2d(traits, shape, samples, tile, { ...layer, y: fusedY, mask: fusedMask }),
          winogradConv2d(traits, shape, samples, tile, { ...layer, y: fusedPool, pool: true, codes: fusedCodes }),
          winogradConv2dGradInput(traits, shape, samples, tile, { ...backward, gradX: gated, gate }),
        );
        assertSameBits(await op.floats(fusedY), await op.floats(y), { what: 'y' });
        assertClose(await op.words(fusedMask), await op.words(mask), { what: 'mask', tolerance: 0 });
        assertSameBits(await op.floats(fusedPool), await op.floats(pooled), { what: 'pooled' });
        assertClose(await op.words(fusedCodes), await op.words(codes), { what: 'codes', tolerance: 0 });
        assertClose(await op.floats(gated), await op.floats(gradX), { what: 'gated grad x', tolerance: 0 });
        const positive = op.output(gradX.count);
        await op.run(
          winogradConv2dGradInput(traits, shape, samples, tile, { ...backward, gradX: positive, gate, relu: true }),
        );
        const passed = (await op.floats(gradX)).map((value) => Math.max(0, value));
        assertClose(await op.floats(positive), passed, { what: 'positive gated grad x', tolerance: 0 });
      });
    }

    opTest('gives the same bits however many samples the scratch has room for', async (op) => {
      // More tiles, and more output channels, than a workgroup takes at a time.
      const each = layerCase(5, 9, 41, 14, 11);
      const data = conv2dData(...each);
      for (const traits of [op.gpu.traits, WITHOUT_SUBGROUPS]) {
        const y = await forward(op, each, tile, data, { traits });
        const gradX = await gradInput(op, each, tile, data, { traits });
        for (const room of [1, 2, 4]) {
          const some = { traits, room };
          assertSameBits(await forward(op, each, tile, data, some), y, { what: `y, ${room} at a time` });
          assertSameBits(await gradInput(op, each, tile, data, some), gradX, { what: `grad x, ${room} at a time` });
        }
      }
    });

    opTest('gives the same bits for a sample alone, in a part and in the whole batch', async (op) => {
      const [samples, shape] = layerCase(5, 9, 17, 7, 5);
      const data = conv2dData(samples, shape);
      const rows = (values: Float32Array, first: number, count: number) => {
        const length = values.length / samples;
        return values.subarray(first * length, (first + count) * length);
      };
      for (const traits of [op.gpu.traits, WITHOUT_SUBGROUPS]) {
        const y = await forward(op, [samples, shape], tile, data, { traits });
        const gradX = await gradInput(op, [samples, shape], tile, data, { traits });
        for (const [first, count] of [
          [0, 3],
          [3, 2],
          [4, 1],
        ] as const) {
          const part = { ...data, x: rows(data.x, first, count), gradY: rows(data.gradY, first, count) };
          assertSameBits(await forward(op, [count, shape], tile, part, { traits }), rows(y, first, count));
          assertSameBits(await gradInput(op, [count, shape], tile, part, { traits }), rows(gradX, first, count));
        }
      }
    });

    opTest('makes the same filters of weights in float16 as of the same numbers in float32', async (op) => {
      const [, shape] = layerCase(1, 5, 9, 4, 4);
      const { halves, rounded } = packHalves(shape, conv2dData(1, shape).weights);
      const filters = [0, 1].map(() => op.output(winogradFilterLength(shape, tile)));
      await op.run(
        winogradFilters(shape, tile, { weights: { ...op.input(halves), dtype: 'float16' }, filters: filters[0]! }),
        winogradFilters(shape, tile, { weights: op.input(rounded), filters: filters[1]! }),
      );
      assertSameBits(await op.floats(filters[0]!), await op.floats(filters[1]!));
    });

    opTest('says what scratch a sample takes', async (op) => {
      const [, shape] = layerCase(1, 4, 4, 4, 4);
      const [x, y] = [op.input(new Float32Array(64)), op.input(new Float32Array(64))];
      const filters = op.input(new Float32Array(winogradFilterLength(shape, tile)));
      const { patches, products } = scratchFor(op, shape, tile, 'forward', 1);
      const tooSmall = { ...products, size: products.size - 4 };
      let message = '';
      try {
        winogradConv2d(op.gpu.traits, shape, 1, tile, { x, filters, patches, products: tooSmall, y });
      } catch (error) {
        message = String(error);
      }
      assert(message.includes(`takes ${products.size}`), `the message was '${message}'`);
    });
  });
}
