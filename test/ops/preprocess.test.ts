import { describe } from 'vitest';
import {
  type ChannelScaling,
  type PreprocessShape,
  preprocess,
  preprocessRowFloats,
  resizeRows,
} from '../../src/ops/preprocess.ts';
import { thorough } from '../harness/adapter.ts';
import { assertClose, assertSameBits, FLOAT32_EPSILON } from '../harness/assertions.ts';
import { type OpBench, opTest } from '../harness/op.ts';
import { random } from '../harness/random.ts';
import * as reference from '../reference/preprocess.ts';
import { tensor } from '../reference/tensor.ts';

type Size = readonly [height: number, width: number];

const KERAS: ChannelScaling = { channelOrder: 'bgr', scale: 1, mean: [103.939, 116.779, 123.68], std: [1, 1, 1] };
const TORCH: ChannelScaling = {
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const PLAIN: ChannelScaling = { channelOrder: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

/** RGBA words; alpha is anything. */
function makePixels([height, width]: Size): Uint32Array {
  const draw = random(height + 4099 * width);
  return Uint32Array.from({ length: height * width }, () => draw.integer(0, 2 ** 32 - 1));
}

function channels(pixels: Uint32Array): Uint8Array {
  return new Uint8Array(pixels.slice().buffer);
}

/** As src/image would have it, but from the oracle. */
function fittedShape(fit: reference.PreprocessParameters['fit'], size: Size, input: number): PreprocessShape {
  const { height, width, top, left } = reference.placement(fit, size, input);
  return {
    x: { size: size[1], resized: width, origin: -left, input },
    y: { size: size[0], resized: height, origin: -top, input },
  };
}

async function modelInput(
  op: OpBench,
  shape: PreprocessShape,
  scaling: ChannelScaling,
  bands = [shape.y.size],
): Promise<Float32Array> {
  const pixels = makePixels([shape.y.size, shape.x.size]);
  const rows = op.output(preprocessRowFloats(shape));
  const input = op.output(3 * shape.y.input * shape.x.input);
  let firstRow = 0;
  for (const count of bands) {
    const band = op.input(pixels.subarray(firstRow * shape.x.size, (firstRow + count) * shape.x.size));
    await op.run(resizeRows(shape, { firstRow, rows: count }, { pixels: band, rows }));
    firstRow += count;
  }
  await op.run(preprocess(shape, scaling, { rows, input }));
  return op.floats(input);
}

/** Places between pixels are rounded by their own size; the error counts in units of the triangle around them. */
function resizeTolerance({ x, y }: PreprocessShape): number {
  return FLOAT32_EPSILON * Math.max(8, Math.min(x.size, x.resized), Math.min(y.size, y.resized));
}

const SIZES: [picture: Size, input: number][] = [
  [[1, 1], 5],
  [[5, 3], 16],
  [[37, 23], 16],
  [[16, 40], 16],
  ...(thorough
    ? ([
        [[2, 200], 7],
        [[97, 1], 13],
        [[64, 64], 32],
        [[51, 68], 64],
        [[427, 640], 32],
        [[11, 7], 65],
      ] as [Size, number][])
    : []),
];

describe('preprocess', () => {
  for (const fit of ['squash', 'crop', 'pad'] as const) {
    for (const [size, input] of SIZES) {
      opTest(`${fit} ${size.join(' × ')} to ${input} × ${input}`, async (op) => {
        const shape = fittedShape(fit, size, input);
        for (const scaling of [KERAS, TORCH]) {
          const parameters = { ...scaling, fit, inputSize: input };
          const expected = reference.preprocess(channels(makePixels(size)), size, parameters);
          const { std, scale, channelOrder } = scaling;
          assertClose(await modelInput(op, shape, scaling), expected.data, {
            what: channelOrder,
            shape: expected.shape,
            tolerance: resizeTolerance(shape),
            // Of a pixel value of 255, before the mean is taken off.
            scale: (255 * scale) / Math.min(...std),
          });
        }
      });
    }
  }

  opTest('changes nothing but order and scale at the same size', async (op) => {
    const size = [24, 24] as const;
    const input = await modelInput(op, fittedShape('squash', size, 24), PLAIN);
    const pixels = channels(makePixels(size));
    const planes = [0, 1, 2].flatMap((c) => Array.from({ length: 24 * 24 }, (_, p) => pixels[4 * p + c]!));
    assertSameBits(input, Float32Array.from(planes));
  });

  opTest('fills an input that is not square', async (op) => {
    const [height, width] = [19, 31];
    const shape = {
      x: { size: width, resized: 12, origin: 0, input: 12 },
      y: { size: height, resized: 27, origin: 0, input: 27 },
    };
    const pixels = channels(makePixels([height, width]));
    const planes = [0, 1, 2].flatMap((c) => Array.from({ length: height * width }, (_, p) => pixels[4 * p + c]!));
    const expected = reference.resize(tensor([3, height, width], planes), [27, 12]);
    assertClose(await modelInput(op, shape, PLAIN), expected.data, {
      shape: expected.shape,
      tolerance: resizeTolerance(shape),
    });
  });

  opTest('gives the same bits from bands of the picture', async (op) => {
    const size = [41, 29] as const;
    for (const fit of ['squash', 'crop', 'pad'] as const) {
      const shape = fittedShape(fit, size, 16);
      const whole = await modelInput(op, shape, TORCH);
      for (const bands of [[40, 1], [7, 13, 21], new Array<number>(41).fill(1)]) {
        const inBands = await modelInput(op, shape, TORCH, bands);
        assertSameBits(inBands, whole, { what: `${fit} in ${bands.length} bands` });
      }
    }
  });
});
