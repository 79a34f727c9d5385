import { describe } from 'vitest';
import type { KernelTraits } from '../../src/gpu/gpu.ts';
import {
  type Conv2dShape,
  conv2d,
  conv2dGradInput,
  conv2dOutput,
  packedIndex,
  packedLength,
  transposedShape,
  transposeWeights,
  weightsBytes,
} from '../../src/ops/conv2d.ts';
import { maxpool, maxpoolCodeWords } from '../../src/ops/maxpool.ts';
import { reluGradInput, reluMask, reluMaskWords } from '../../src/ops/relu.ts';
import { thorough } from '../harness/adapter.ts';
import { assertAdjoint, assertClose, assertSameBits } from '../harness/assertions.ts';
import {
  type Conv2dCase,
  type Conv2dData,
  conv2dData,
  layerCase,
  packHalves,
  packWeights,
  WITHOUT_SUBGROUPS,
} from '../harness/conv2d.ts';
import { batchedDifferences } from '../harness/finite-differences.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/conv2d.ts';
import { tensor } from '../reference/tensor.ts';

/** Kernels 3 × 3 with stride and padding 1 have a kernel of their own, register-tiled 2 × 2 and 4 × 4. */
const TILED: Conv2dCase[] = [
  layerCase(1, 1, 1, 1, 1),
  layerCase(2, 3, 5, 1, 7),
  layerCase(1, 3, 8, 2, 3),
  layerCase(3, 7, 4, 3, 5),
  layerCase(5, 9, 17, 5, 4),
  layerCase(2, 16, 12, 9, 13),
  ...(thorough
    ? [
        layerCase(1, 1, 9, 4, 4),
        layerCase(1, 8, 3, 6, 7),
        layerCase(2, 17, 16, 8, 9),
        layerCase(4, 5, 7, 11, 1),
        // More tiles than one workgroup and one row of them.
        layerCase(5, 3, 23, 31, 29),
        layerCase(3, 73, 11, 7, 5),
      ]
    : []),
];

function general(
  samples: number,
  [inChannels, outChannels]: readonly [number, number],
  [height, width]: readonly [number, number],
  [kernel, stride, padding]: readonly [number, number, number],
): Conv2dCase {
  return [samples, { inChannels, outChannels, height, width, kernel, stride, padding }];
}

const GENERAL: Conv2dCase[] = [
  general(1, [1, 1], [1, 1], [1, 1, 0]),
  general(2, [5, 9], [4, 5], [1, 2, 0]),
  general(3, [3, 7], [7, 5], [2, 1, 1]),
  general(2, [4, 8], [9, 11], [5, 3, 2]),
  general(1, [3, 16], [13, 12], [7, 2, 3]),
  general(5, [2, 3], [6, 7], [3, 2, 1]),
  ...(thorough
    ? [
        general(1, [3, 4], [5, 3], [1, 1, 2]),
        general(2, [9, 17], [3, 4], [1, 3, 1]),
        general(4, [8, 5], [8, 9], [2, 2, 0]),
        general(1, [1, 2], [11, 10], [2, 3, 1]),
        general(2, [7, 11], [5, 9], [5, 1, 0]),
        general(3, [2, 9], [6, 17], [5, 2, 4]),
        general(1, [6, 3], [7, 7], [7, 1, 0]),
        general(2, [3, 13], [19, 16], [7, 3, 2]),
        general(2, [4, 6], [5, 6], [3, 1, 0]),
        general(1, [5, 8], [9, 7], [3, 3, 2]),
        // More tiles than one workgroup.
        general(5, [2, 9], [17, 19], [2, 1, 0]),
      ]
    : []),
];

function title([samples, shape]: Conv2dCase): string {
  const { inChannels, outChannels, height, width, kernel, stride, padding } = shape;
  const window = `kernel ${kernel}, stride ${stride}, padding ${padding}`;
  return `${samples} × [${inChannels} → ${outChannels}, ${height} × ${width}], ${window}`;
}

function outputMaps(shape: Conv2dShape) {
  return { channels: shape.outChannels, ...conv2dOutput(shape) };
}

async function forward(
  op: OpBench,
  [samples, shape]: Conv2dCase,
  { x, weights, bias }: Pick<Conv2dData, 'x' | 'weights' | 'bias'>,
  { traits = op.gpu.traits, relu = false }: { traits?: KernelTraits; relu?: boolean } = {},
): Promise<Float32Array> {
  const out = conv2dOutput(shape);
  const y = op.output(samples * shape.outChannels * out.height * out.width);
  const buffers = { x: op.input(x), weights: op.input(packWeights(shape, weights)), bias: op.input(bias), y, relu };
  await op.run(conv2d(traits, shape, samples, buffers));
  return op.floats(y);
}

async function gradInput(
  op: OpBench,
  [samples, shape]: Conv2dCase,
  { gradY, weights }: Pick<Conv2dData, 'gradY' | 'weights'>,
  traits = op.gpu.traits,
): Promise<Float32Array> {
  const transposed = op.output(packedLength(transposedShape(shape)));
  const gradX = op.output(samples * shape.inChannels * shape.height * shape.width);
  await op.run(
    transposeWeights(shape, { weights: op.input(packWeights(shape, weights)), transposed }),
    conv2dGradInput(traits, shape, samples, { gradY: op.input(gradY), weights: transposed, gradX }),
  );
  return op.floats(gradX);
}

function referenceOperands([samples, shape]: Conv2dCase, { x, weights, bias, gradY }: Conv2dData) {
  const { inChannels, outChannels, height, width, kernel } = shape;
  const out = conv2dOutput(shape);
  return {
    x: tensor([samples, inChannels, height, width], x),
    weights: tensor([outChannels, inChannels, kernel, kernel], weights),
    bias: tensor([outChannels], bias),
    gradY: tensor([samples, outChannels, out.height, out.width], gradY),
  };
}

describe('conv2d', () => {
  for (const kernel of [1, 3]) {
    opTest(`lets overflow be seen behind a ReLU, kernel ${kernel}`, async (op) => {
      const padding = (kernel - 1) / 2;
      const shape = { inChannels: 2, outChannels: 3, height: 1, width: 1, kernel, stride: 1, padding };
      // Sums of -∞, NaN (∞ - ∞) and a number below zero, by channels.
      const x = Float32Array.of(3e38, 3e38);
      const weights = new Float32Array(6 * kernel ** 2);
      [-3, -3, 3, -3, -1e-38, 0].forEach((weight, row) => {
        weights[row * kernel ** 2 + (kernel ** 2 - 1) / 2] = weight;
      });
      for (const traits of [op.gpu.traits, WITHOUT_SUBGROUPS]) {
        const data = { x, weights, bias: new Float32Array(3) };
        const y = await forward(op, [1, shape], data, { traits, relu: true });
        assertSameBits(y, Float32Array.of(Infinity, Infinity, 0));
      }
    });
  }

  for (const each of [...TILED, ...GENERAL]) {
    const [, shape] = each;
    const forwardTerms = shape.inChannels * shape.kernel ** 2 + 1;
    const backwardTerms = shape.outChannels * shape.kernel ** 2;
    opTest(title(each), async (op) => {
      const data = conv2dData(...each);
      const oracle = referenceOperands(each, data);

      const y = await forward(op, each, data);
      const expected = reference.conv2d(oracle.x, oracle.weights, oracle.bias, shape);
      assertClose(y, expected.data, { what: 'y', shape: expected.shape, terms: forwardTerms });
      const rectified = await forward(op, each, data, { relu: true });
      const clipped = y.map((value) => Math.max(0, value));
      assertClose(rectified, clipped, { what: 'y through ReLU', shape: expected.shape, tolerance: 0 });

      const gradX = await gradInput(op, each, data);
      const size = [shape.height, shape.width] as const;
      const expectedGrad = reference.conv2dGradInput(oracle.gradY, oracle.weights, shape, size);
      assertClose(gradX, expectedGrad.data, { what: 'grad x', shape: expectedGrad.shape, terms: backwardTerms });
      const linear = await forward(op, each, { ...data, bias: new Float32Array(shape.outChannels) });
      const terms = Math.max(forwardTerms, backwardTerms);
      assertAdjoint({ x: data.x, y: data.gradY, Ax: linear, Aty: gradX }, { terms });
    });
  }

  for (const each of TILED) {
    opTest(`gives the same bits with and without subgroups: ${title(each)}`, async (op) => {
      const data = conv2dData(...each);
      for (const relu of [false, true]) {
        const without = await forward(op, each, data, { traits: WITHOUT_SUBGROUPS, relu });
        assertSameBits(await forward(op, each, data, { relu }), without, { what: relu ? 'y through ReLU' : 'y' });
      }
      const without = await gradInput(op, each, data, WITHOUT_SUBGROUPS);
      assertSameBits(await gradInput(op, each, data), without, { what: 'grad x' });
    });
  }

  for (const each of TILED) {
    const [samples, shape] = each;
    opTest(`finishes its outputs as the ops of their own do: ${title(each)}`, async (op) => {
      const data = conv2dData(...each);
      const layer = {
        x: op.input(data.x),
        weights: op.input(packWeights(shape, data.weights)),
        bias: op.input(data.bias),
        relu: true,
      };
      const maps = outputMaps(shape);
      const elements = samples * maps.channels * maps.height * maps.width;
      const pooling = { ...maps, kernel: 2, stride: 2 };
      const pooledElements = samples * maps.channels * Math.floor(maps.height / 2) * Math.floor(maps.width / 2);
      const y = op.output(elements);
      const mask = op.output(samples * reluMaskWords(maps));
      const pooled = op.output(pooledElements);
      const codes = op.output(samples * maxpoolCodeWords(pooling));
      await op.run(conv2d(op.gpu.traits, shape, samples, { ...layer, y }), reluMask(maps, samples, { x: y, mask }));
      if (pooledElements > 0) await op.run(maxpool(pooling, samples, { x: y, y: pooled, codes }));
      // The gate is that of the layer in front: of the convolution's input.
      const input = { channels: shape.inChannels, height: shape.height, width: shape.width };
      const gate = op.output(samples * reluMaskWords(input));
      const transposed = op.output(packedLength(transposedShape(shape)));
      const backward = { gradY: op.input(data.gradY), weights: transposed };
      const gradX = op.output(data.x.length);
      await op.run(
        reluMask(input, samples, { x: layer.x, mask: gate }),
        transposeWeights(shape, { weights: layer.weights, transposed }),
        conv2dGradInput(op.gpu.traits, shape, samples, { ...backward, gradX }),
        reluGradInput(input, samples, { mask: gate, grad: gradX }),
      );

      for (const traits of [op.gpu.traits, WITHOUT_SUBGROUPS]) {
        const [fusedY, fusedMask] = [op.output(elements), op.output(mask.count)];
        await op.run(conv2d(traits, shape, samples, { ...layer, y: fusedY, mask: fusedMask }));
        assertSameBits(await op.floats(fusedY), await op.floats(y), { what: 'y' });
        assertClose(await op.words(fusedMask), await op.words(mask), { what: 'mask', tolerance: 0 });
        if (pooledElements > 0) {
          const [fusedPool, fusedCodes, bare] = [
            op.output(pooled.count),
            op.output(codes.count),
            op.output(pooled.count),
          ];
          await op.run(
            conv2d(traits, shape, samples, { ...layer, y: fusedPool, pool: true, codes: fusedCodes }),
            conv2d(traits, shape, samples, { ...layer, y: bare, pool: true }),
          );
          assertSameBits(await op.floats(fusedPool), await op.floats(pooled), { what: 'pooled' });
          assertSameBits(await op.floats(bare), await op.floats(pooled), { what: 'pooled without codes' });
          assertClose(await op.words(fusedCodes), await op.words(codes), { what: 'codes', tolerance: 0 });
        }
        const gated = op.output(gradX.count);
        await op.run(conv2dGradInput(traits, shape, samples, { ...backward, gradX: gated, gate }));
        assertClose(await op.floats(gated), await op.floats(gradX), { what: 'gated grad x', tolerance: 0 });
        const positive = op.output(gradX.count);
        await op.run(conv2dGradInput(traits, shape, samples, { ...backward, gradX: positive, gate, relu: true }));
        const passed = (await op.floats(gradX)).map((value) => Math.max(0, value));
        assertClose(await op.floats(positive), passed, { what: 'positive gated grad x', tolerance: 0 });
      }
    });
  }

  for (const each of [layerCase(2, 9, 17, 7, 5), general(2, [3, 9], [8, 7], [5, 2, 2])]) {
    opTest(`widens weights in float16 exactly: ${title(each)}`, async (op) => {
      const [samples, shape] = each;
      const data = conv2dData(...each);
      // Among them the smallest that float16 has, and those between which its steps no longer shrink.
      data.weights.set([2 ** -24, -(2 ** -14), 3 * 2 ** -20]);
      const { halves, rounded } = packHalves(shape, data.weights);
      const [x, gradY, bias] = [op.input(data.x), op.input(data.gradY), op.input(data.bias)];
      const stored = { float16: { ...op.input(halves), dtype: 'float16' }, float32: op.input(rounded) } as const;
      for (const traits of [op.gpu.traits, WITHOUT_SUBGROUPS]) {
        const outputs = { float16: [] as Float32Array[], float32: [] as Float32Array[] };
        for (const dtype of ['float16', 'float32'] as const) {
          const weights = stored[dtype];
          const [y, gradX] = [op.output(data.gradY.length), op.output(data.x.length)];
          const transposed = op.output(weightsBytes(transposedShape(shape), dtype) / 4);
          await op.run(
            conv2d(traits, shape, samples, { x, weights, bias, y }),
            transposeWeights(shape, { weights, transposed }),
            conv2dGradInput(traits, shape, samples, { gradY, weights: { ...transposed, dtype }, gradX }),
          );
          outputs[dtype].push(await op.floats(y), await op.floats(gradX));
        }
        assertSameBits(outputs.float16[0]!, outputs.float32[0]!, { what: 'y' });
        assertSameBits(outputs.float16[1]!, outputs.float32[1]!, { what: 'grad x' });
      }
    });
  }

  for (const each of [layerCase(5, 9, 17, 7, 5), general(5, [3, 9], [8, 7], [5, 2, 2])]) {
    opTest(`gives the same bits for a sample alone, in a part and in the whole batch: ${title(each)}`, async (op) => {
      const [samples, shape] = each;
      const data = conv2dData(...each);
      const rows = (values: Float32Array, first: number, count: number) => {
        const length = values.length / samples;
        return values.subarray(first * length, (first + count) * length);
      };
      for (const traits of [op.gpu.traits, WITHOUT_SUBGROUPS]) {
        const y = await forward(op, each, data, { traits });
        const gradX = await gradInput(op, each, data, traits);
        for (const [first, count] of [
          [0, 3],
          [3, 2],
          [4, 1],
        ] as const) {
          const part = { ...data, x: rows(data.x, first, count), gradY: rows(data.gradY, first, count) };
          assertSameBits(await forward(op, [count, shape], part, { traits }), rows(y, first, count));
          assertSameBits(await gradInput(op, [count, shape], part, traits), rows(gradX, first, count));
        }
      }
    });
  }

  for (const each of [layerCase(1, 3, 9, 5, 3), general(1, [2, 5], [5, 4], [2, 2, 1])]) {
    const [, shape] = each;
    opTest(`has with its ReLU the gradient of finite differences: ${title(each)}`, async (op) => {
      // Small whole numbers, which float32 sums exactly, and biases that keep every sum half a unit off the kink.
      const draw = random(5);
      const whole = (count: number) => Float32Array.from({ length: count }, () => draw.integer(-3, 3));
      const { x, weights, gradY, bias } = conv2dData(...each);
      const data = { x: whole(x.length), weights: whole(weights.length), gradY: whole(gradY.length) };
      const offKink = Float32Array.from(bias, () => draw.integer(-5, 5) + 0.5);
      const rectifiedForward = (batch: Float32Array, samples: number) =>
        forward(op, [samples, shape], { ...data, x: batch, bias: offKink }, { relu: true });

      const outputs = outputMaps(shape);
      const y = await rectifiedForward(data.x, 1);
      const mask = op.output(reluMaskWords(outputs));
      const grad = op.input(data.gradY);
      await op.run(reluMask(outputs, 1, { x: op.input(y), mask }), reluGradInput(outputs, 1, { mask, grad }));
      const gradX = await gradInput(op, each, { ...data, gradY: await op.floats(grad) });

      const differences = await batchedDifferences(rectifiedForward, data.x, data.gradY, 2 ** -6);
      const inputShape = [shape.inChannels, shape.height, shape.width];
      assertClose(gradX, differences, { what: 'grad x', shape: inputShape, tolerance: 0 });
    });
  }

  for (const each of [layerCase(1, 5, 11, 1, 1), layerCase(1, 8, 16, 1, 1), general(1, [17, 3], [7, 7], [5, 1, 0])]) {
    const [, shape] = each;
    opTest(`transposes packed weights: ${title(each)}`, async (op) => {
      const { weights } = conv2dData(...each);
      const back = transposedShape(shape);
      const transposed = op.output(packedLength(back));
      await op.run(transposeWeights(shape, { weights: op.input(packWeights(shape, weights)), transposed }));

      const taps = shape.kernel ** 2;
      const expected = new Float32Array(packedLength(back));
      weights.forEach((weight, index) => {
        const row = Math.floor(index / taps);
        const [o, i] = [Math.floor(row / shape.inChannels), row % shape.inChannels];
        expected[packedIndex(back, i, o, taps - 1 - (index % taps))] = weight;
      });
      assertSameBits(await op.floats(transposed), expected);
    });
  }
});
